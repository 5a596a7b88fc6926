package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

const (
	cosignatureKey = 0x04 // c2sp.org/tlog-cosignature, which sumdb/note does not know
	stampSize      = 8
)

// A witness verifies its cosignatures; note.Open finds and reads them.
type witness struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.id }
func (w witness) Verify(text, signature []byte) bool {
	if len(signature) != stampSize+ed25519.SignatureSize {
		return false
	}
	seconds := binary.BigEndian.Uint64(signature)
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", seconds, text)
	return seconds <= math.MaxInt64 && ed25519.Verify(w.key, []byte(signed), signature[stampSize:])
}

type witnesses []note.Verifier

func (w *witnesses) String() string { return "" }
func (w *witnesses) Set(text string) error {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 || parts[0] == "" {
		return errors.New("a verifier key is name+id+key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != cosignatureKey {
		return errors.New("this is no key of a witness: one of type 4")
	}
	digest := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	if hex.EncodeToString(digest[:4]) != parts[1] {
		return errors.New("the id is not that of the name and the key")
	}
	*w = append(*w, witness{parts[0], binary.BigEndian.Uint32(digest[:4]), key[1:]})
	return nil
}

// allWitnessed refuses unless every one of the witnesses signed the checkpoint.
func allWitnessed(checkpoint []byte, asked witnesses) error {
	for _, each := range asked {
		signed, err := note.Open(checkpoint, note.VerifierList(each))
		if err != nil {
			return fmt.Errorf("%s: %w", each.Name(), err)
		}
		data, err := base64.StdEncoding.DecodeString(signed.Sigs[0].Base64)
		if err != nil {
			return err
		}
		at := time.Unix(int64(binary.BigEndian.Uint64(data[4:])), 0).UTC()
		fmt.Printf("witnessed   by %s at %s\n", each.Name(), at.Format("2006-01-02 15:04:05 UTC"))
	}
	return nil
}
