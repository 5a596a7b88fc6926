// Debian's golang-golang-x-mod-dev is used without modules (docs/transparency-log.md); with a network:
// go get golang.org/x/mod@latest && go build
module verify-log

go 1.19

require golang.org/x/mod v0.7.0
