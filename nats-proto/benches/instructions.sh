#!/bin/sh
# Instructions per message of each cell, ours and the other codec's: the difference of two callgrind runs.
# The tunable keeps `rep movsb` out of memcpy, of which callgrind counts every byte.
set -eu
cd "$(dirname "$0")"
cargo build --release --quiet
codec="${CARGO_TARGET_DIR:-target}/release/codec"
count() {
    GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=0x40000000 valgrind --tool=callgrind \
        --callgrind-out-file=/dev/null "$codec" "$1" "$2" 2>&1 | sed -n 's/.*Collected : *//p'
}
for cell in ${*:-msg-16 msg-128 hmsg-128 msg-128-by-1500 msg-128-by-1 pub-128 hpub-128}; do
    for codec_name in ours peer; do
        few=$(count "$codec_name:$cell" 6400)
        many=$(count "$codec_name:$cell" 32000)
        echo "$cell $codec_name $(( (many - few) / 25600 ))"
    done
done
