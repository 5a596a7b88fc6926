// Verify-log checks a transparency log of the bank by code that is not the bank's: golang.org/x/mod/sumdb, which also
// guards Go's own modules.
//
//	verify-log -log DIRECTORY|URL -vkey NAME+ID+KEY [-vkey ...] [-witness NAME+ID+KEY ...] [-old CHECKPOINT]
//		[-receipt FILE [-entry FILE]]
//
// It verifies the checkpoint's signature and those of witnesses, every entry and every tile against its root, that the log
// only grew since an older checkpoint, and a receipt. Exit code: 0 verified, 1 not verified, 2 something that cannot be read.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height       = 8 // of a tile, in levels: c2sp.org/tlog-tiles
	width        = 1 << height
	bundleMax    = width * (2 + 65535)
	proofFormat  = "c2sp.org/tlog-proof@v1"
	fetchTimeout = 30 * time.Second
)

// An unreadable error is about a file or an argument, not about what it proves.
type unreadable struct{ error }

type keys []note.Verifier

func (k *keys) String() string { return "" }
func (k *keys) Set(text string) error {
	verifier, err := note.NewVerifier(text)
	*k = append(*k, verifier)
	return err
}

// A source gives the files of a log by their paths below its prefix.
type source string

var client = http.Client{Timeout: fetchTimeout}

func (s source) read(path string) ([]byte, error) {
	if !strings.HasPrefix(string(s), "http://") && !strings.HasPrefix(string(s), "https://") {
		data, err := os.ReadFile(filepath.Join(string(s), filepath.FromSlash(path)))
		if err != nil {
			return nil, unreadable{err}
		}
		return data, nil
	}
	answer, err := client.Get(strings.TrimSuffix(string(s), "/") + "/" + path)
	if err != nil {
		return nil, unreadable{err}
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, unreadable{fmt.Errorf("%s: %s", path, answer.Status)}
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, bundleMax+1))
	if err != nil {
		return nil, unreadable{err}
	}
	return data, nil
}

// The paths of tlog have the height in them; those of tlog-tiles do not, as it is always 8.
func pathOf(level int, n int64, w int) string {
	path := tlog.Tile{H: height, L: level, N: n, W: w}.Path()
	path = strings.Replace(path, "tile/8/data/", "tile/entries/", 1)
	return strings.Replace(path, "tile/8/", "tile/", 1)
}

// Height, ReadTiles and SaveTiles make a source a tlog.TileReader.
func (s source) Height() int                         { return height }
func (s source) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (s source) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := s.read(pathOf(tile.L, tile.N, tile.W))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// openCheckpoint gives the tree of a checkpoint that one of the keys signed, whose name is its origin.
func openCheckpoint(data []byte, known keys) (tree tlog.Tree, err error) {
	signed, err := note.Open(data, note.VerifierList(known...))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) < 4 {
		return tree, errors.New("the checkpoint has fewer than three lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tree, fmt.Errorf("%q is no size of a tree", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tree, err
	}
	for _, signature := range signed.Sigs {
		if signature.Name == lines[0] {
			return tlog.Tree{N: size, Hash: root}, nil
		}
	}
	return tree, fmt.Errorf("%q is the checkpoint's origin, and no key of that name signed it", lines[0])
}

func split(data []byte, count int) (entries [][]byte, err error) {
	for len(data) >= 2 {
		length := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+length {
			break
		}
		entries, data = append(entries, data[2:2+length]), data[2+length:]
	}
	if len(data) > 0 || len(entries) != count {
		return nil, fmt.Errorf("the bundle does not end with its entry %d", count)
	}
	return entries, nil
}

// An audit makes the tree anew, from the entries alone, and compares each tile on the way; it keeps one open tile a level.
// tlog.TileHashReader alone is not enough: before golang.org/x/mod v0.40.0 it took up to two forged tiles for verified ones
// (CVE-2026-56865), and Debian packages older versions.
type audit struct {
	source source
	rows   [][]tlog.Hash
	counts []int64
	tiles  int
}

func (a *audit) add(level int, hash tlog.Hash) error {
	if level == len(a.rows) {
		a.rows, a.counts = append(a.rows, nil), append(a.counts, 0)
	}
	a.rows[level] = append(a.rows[level], hash)
	if len(a.rows[level]) < width {
		return nil
	}
	if err := a.compare(level); err != nil {
		return err
	}
	root := rootOf(a.rows[level])
	a.rows[level] = a.rows[level][:0]
	a.counts[level]++
	return a.add(level+1, root)
}

func (a *audit) compare(level int) error {
	row := a.rows[level]
	path := pathOf(level, a.counts[level], len(row))
	data, err := a.source.read(path)
	if err != nil {
		return err
	}
	if len(data) != len(row)*tlog.HashSize {
		return fmt.Errorf("%s has %d bytes in place of %d", path, len(data), len(row)*tlog.HashSize)
	}
	for i, hash := range row {
		if !bytes.Equal(data[i*tlog.HashSize:(i+1)*tlog.HashSize], hash[:]) {
			return fmt.Errorf("%s: hash %d is not that of the entries", path, i)
		}
	}
	a.tiles++
	return nil
}

// end compares the tiles that are not full, and gives the root: the open rows joined from the smallest subtree to the largest.
func (a *audit) end() (root tlog.Hash, err error) {
	joined := false
	for level := range a.rows {
		row := a.rows[level]
		if len(row) > 0 {
			if err := a.compare(level); err != nil {
				return root, err
			}
		}
		for size := 1; size <= width; size <<= 1 { // subtrees of the row, from its end: those of its binary digits
			if len(row)&size == 0 {
				continue
			}
			part := rootOf(row[len(row)&^(2*size-1) : len(row)&^(size-1)])
			if joined {
				part = tlog.NodeHash(part, root)
			}
			root, joined = part, true
		}
	}
	return root, nil
}

func rootOf(hashes []tlog.Hash) tlog.Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	half := len(hashes) / 2
	return tlog.NodeHash(rootOf(hashes[:half]), rootOf(hashes[half:]))
}

// everyEntry verifies each entry of each bundle, and each tile, against the root.
func everyEntry(log source, tree tlog.Tree) error {
	reader := tlog.TileHashReader(tree, log)
	again := &audit{source: log}
	for first := int64(0); first < tree.N; first += width {
		count := width
		if tree.N-first < width {
			count = int(tree.N - first)
		}
		path := pathOf(-1, first/width, count)
		data, err := log.read(path)
		if err != nil {
			return err
		}
		entries, err := split(data, count)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		indexes := make([]int64, count)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		hashes, err := reader.ReadHashes(indexes)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for i, entry := range entries {
			leaf := tlog.RecordHash(entry)
			if leaf != hashes[i] {
				return fmt.Errorf("%s: entry %d is not the one in the tree", path, first+int64(i))
			}
			if err := again.add(0, leaf); err != nil {
				return err
			}
		}
	}
	root, err := again.end()
	if err != nil {
		return err
	}
	if tree.N > 0 && root != tree.Hash {
		return errors.New("the entries do not have the root of the checkpoint")
	}
	fmt.Printf("entries     %d, with %d tiles\n", tree.N, again.tiles)
	return nil
}

func onlyGrew(log source, before, after tlog.Tree) error {
	if before.N == 0 {
		return errors.New("the older checkpoint is of an empty log, which shows nothing")
	}
	if before.N > after.N {
		return errors.New("the older checkpoint has more entries than the log")
	}
	if before.N < after.N {
		proof, err := tlog.ProveTree(after.N, before.N, tlog.TileHashReader(after, log))
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, after.N, after.Hash, before.N, before.Hash); err != nil {
			return err
		}
	} else if before.Hash != after.Hash {
		return errors.New("two checkpoints of one size have different roots")
	}
	fmt.Printf("consistent  %d entries begin with the older %d\n", after.N, before.N)
	return nil
}

// checkReceipt verifies a receipt (c2sp.org/tlog-proof) whose entry is given, or is its extra data.
func checkReceipt(data, entry []byte, known keys, asked witnesses) error {
	head, checkpoint, found := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 2 || lines[0] != proofFormat {
		return unreadable{errors.New("this is no receipt")}
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") && len(lines) > 1 {
		extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[0], "extra "))
		if err != nil {
			return unreadable{err}
		}
		if entry == nil {
			entry = extra
		}
		lines = lines[1:]
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil || fmt.Sprintf("index %d", index) != lines[0] || entry == nil {
		return unreadable{errors.New("the receipt has no index, or no entry came with it")}
	}
	proof := tlog.RecordProof{}
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return unreadable{err}
		}
		proof = append(proof, hash)
	}
	tree, err := openCheckpoint(checkpoint, known)
	if err != nil {
		return err
	}
	if index < 0 || index >= tree.N {
		return fmt.Errorf("the log of the receipt's checkpoint has no entry %d", index)
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	if err := allWitnessed(checkpoint, asked); err != nil {
		return err
	}
	fmt.Printf("receipt     entry %d of %d\n", index, tree.N)
	return nil
}

func run() error {
	var known keys
	var asked witnesses
	log := flag.String("log", "", "folder of a log, or the address that it is served at")
	old := flag.String("old", "", "file of an older checkpoint")
	receipt := flag.String("receipt", "", "file of a receipt")
	entry := flag.String("entry", "", "file of the receipt's entry; left out: what the receipt carries")
	flag.Var(&known, "vkey", "verifier key of the log, name+id+key; again for a second one")
	flag.Var(&asked, "witness", "verifier key of a witness that must have signed; again for each further one")
	flag.Parse()
	if flag.NArg() > 0 || len(known) == 0 || *log == "" && *receipt == "" {
		return unreadable{errors.New("give -vkey, and -log or -receipt; -help tells more")}
	}
	if *log != "" {
		if err := checkLog(source(*log), known, asked, *old); err != nil {
			return err
		}
	}
	if *receipt == "" {
		return nil
	}
	data, err := os.ReadFile(*receipt)
	if err != nil {
		return unreadable{err}
	}
	var given []byte
	if *entry != "" {
		if given, err = os.ReadFile(*entry); err != nil {
			return unreadable{err}
		}
	}
	return checkReceipt(data, given, known, asked)
}

func checkLog(log source, known keys, asked witnesses, old string) error {
	data, err := log.read("checkpoint")
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(data, known)
	if err != nil {
		return err
	}
	fmt.Printf("checkpoint  %d entries, root %v\n", tree.N, tree.Hash)
	if err := allWitnessed(data, asked); err != nil {
		return err
	}
	if old != "" {
		data, err := os.ReadFile(old)
		if err != nil {
			return unreadable{err}
		}
		before, err := openCheckpoint(data, known)
		if err != nil {
			return err
		}
		if err := onlyGrew(log, before, tree); err != nil {
			return err
		}
	}
	return everyEntry(log, tree)
}

func main() {
	err := run()
	if err == nil {
		fmt.Println("verified")
		return
	}
	if errors.As(err, &unreadable{}) {
		fmt.Fprintln(os.Stderr, "cannot be read:", err)
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "not verified:", err)
	os.Exit(1)
}
