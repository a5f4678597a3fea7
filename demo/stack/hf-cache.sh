#!/usr/bin/env bash
# hf-cache.sh DIR SIZE_MB: a model in a Hugging Face cache, laid out as huggingface_hub does it.
#
# DIR is the model's directory (…/hub/models--NightForger--saiga_nemo_12b-GPTQ). Makes blobs named
# by the hash of their (random) contents, a snapshot of relative symlinks, refs/main, an older
# snapshot sharing a blob, and CACHEDIR.TAG in hub/, which makes some backup programs skip it all.
set -euo pipefail

dir=${1:?usage: hf-cache.sh DIR SIZE_MB}
size_mb=${2:?usage: hf-cache.sh DIR SIZE_MB}

if [[ -e $dir/refs/main ]]; then
  echo "hf-cache: $dir exists already" >&2
  exit 1
fi
umask 022
random_hex() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
revision=$(random_hex 20)
older=$(random_hex 20)
mkdir -p "$dir/blobs" "$dir/refs" "$dir/snapshots/$revision" "$dir/snapshots/$older" "$dir/.no_exist/$revision"

# add_blob FILE SNAPSHOT NAME: moves a file among the blobs under its sha256, as for LFS files.
add_blob() {
  local hash
  hash=$(sha256sum "$1" | cut -c1-64)
  mv -f "$1" "$dir/blobs/$hash"
  ln -s "../../blobs/$hash" "$dir/snapshots/$2/$3"
}
# Small files are named by their git hash instead, which is a SHA-1 with a header.
add_git_blob() {
  local hash
  hash=$({
    printf 'blob %d\0' "$(stat -c %s "$1")"
    cat "$1"
  } | sha1sum | cut -c1-40)
  mv -f "$1" "$dir/blobs/$hash"
  ln -s "../../blobs/$hash" "$dir/snapshots/$2/$3"
  ln -s "../../blobs/$hash" "$dir/snapshots/$older/$3"
}

new=$dir/blobs/.new
shards=$((size_mb >= 4 ? 4 : 1))
for ((shard = 1; shard <= shards; shard++)); do
  head -c "$((size_mb * 1024 * 1024 / shards))" /dev/urandom >"$new"
  add_blob "$new" "$revision" "$(printf 'model-%05d-of-%05d.safetensors' "$shard" "$shards")"
done
head -c 300000 /dev/urandom | base64 -w 0 >"$new"
add_blob "$new" "$revision" tokenizer.json
printf '{"architectures": ["MistralForCausalLM"], "quantization_config": {"bits": 8, "nonce": "%s"}}\n' "$(random_hex 8)" >"$new"
add_git_blob "$new" "$revision" config.json
printf '# saiga_nemo_12b-GPTQ\n\nA sample, not the model. %s\n' "$(random_hex 8)" >"$new"
add_git_blob "$new" "$revision" README.md
: >"$dir/.no_exist/$revision/adapter_config.json"
printf '%s' "$revision" >"$dir/refs/main"

hub=$(dirname "$dir")
mkdir -p "$hub/.locks/$(basename "$dir")"
if [[ ! -e $hub/CACHEDIR.TAG ]]; then
  printf '%s\n' 'Signature: 8a477f597d28d172789f06886806bc55' \
    '# This file is a cache directory tag created by huggingface_hub.' \
    '# For information about cache directory tags, see:' \
    '#	https://bford.info/cachedir/' >"$hub/CACHEDIR.TAG"
fi
