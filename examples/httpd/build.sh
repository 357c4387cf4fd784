#!/usr/bin/env bash
# Builds the image that the Dockerfile beside this script describes: an OCI image layout of five layers, from
# Debian packages, without Docker.
#
#   build.sh [OUTDIR]      OUTDIR: default `image` beside this script; must not exist or be an older image
#
# Needs root, and a network for the packages. The packages come from wherever this system's own apt gets
# Debian's. SOURCE_DATE_EPOCH (default: when these files were last committed) is every time stamp in the image:
# the same packages, files and time give the same digests. Exit status: 0; 2 if it cannot be built.
set -euo pipefail

say() { printf 'httpd image: %s\n' "$*" >&2; }
die() {
  say "$@"
  exit 2
}

here=$(cd -P -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
(($# <= 1)) || die "usage: build.sh [OUTDIR]"
out=$(realpath -m -- "${1:-$here/image}")
export PATH="$PATH:/usr/sbin:/sbin"
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
umask 022

((EUID == 0)) || die "needs root: the layers hold files of several owners"
if [[ -e $out && ! -f $out/oci-layout ]]; then
  [[ -d $out && -z $(ls -A -- "$out") ]] || die "$out exists and is no image layout: not touching it"
fi

# The tools.
missing=()
command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
command -v umoci >/dev/null || missing+=(umoci)
if ((${#missing[@]})); then
  command -v apt-get >/dev/null || die "needs ${missing[*]}, and there is no apt-get to install them with"
  say "installing ${missing[*]}"
  apt-get -qq update >&2 || say "some package lists could not be fetched"
  apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "${missing[@]}" \
    >/dev/null </dev/null || die "could not install ${missing[*]}"
fi

# Debian's package sources of this system, as one-line entries for the release it runs.
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
debian_sources() {
  local uri codename component key=/usr/share/keyrings/debian-archive-keyring.gpg
  [[ -f $key ]] || key=
  # shellcheck disable=SC2016 # apt-get expands these
  apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
    sort -u | while read -r uri codename component; do
    [[ $codename == "$release" || $codename == "$release"-security || $codename == "$release"-updates ]] || continue
    printf 'deb %s%s %s %s\n' "${key:+[signed-by=$key] }" "$uri" "$codename" "$component"
  done
}
sources=$(debian_sources)
if [[ -z $sources ]]; then
  apt-get -qq update >&2 || say "some package lists could not be fetched"
  sources=$(debian_sources)
fi
[[ -n $sources ]] || die "apt knows no source of Debian packages for '$release' here"

if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
  SOURCE_DATE_EPOCH=$(git -C "$here" log -1 --format=%ct -- . 2>/dev/null || true)
  : "${SOURCE_DATE_EPOCH:=$(date +%s)}"
fi
export SOURCE_DATE_EPOCH
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

# instruction WORD prints what stands behind WORD in the Dockerfile, one line each; words does it with the
# elements of a JSON array, one a line.
instruction() { sed -n "s/^$1 //p" "$here/Dockerfile"; }
words() { instruction "$1" | tr -d '[]"' | sed 's/, */\n/g'; }

work=$(mktemp -d "${TMPDIR:-/tmp}/httpd-image.XXXXXX")
trap 'rm -rf --one-file-system -- "$work"' EXIT
image=$work/image
bundle=$work/bundle
rootfs=$bundle/rootfs
log=$work/log

quietly() { # COMMAND...: its output is shown only if it fails
  "$@" >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    die "failed: $1"
  }
}

# debian PACKAGE,... replaces the tree by a minimal Debian with these packages. Equal packages give equal files,
# so that the difference of two such trees is what the further packages bring.
debian() {
  local tar=$work/debian.tar
  quietly mmdebstrap --mode=root --variant=essential ${1:+--include="$1"} \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' "$release" "$tar" - <<<"$sources"
  find "$rootfs" -mindepth 1 -delete
  # What belongs to the machine that builds stays out, and so do devices, which a container gets at start.
  tar -C "$rootfs" -xp --numeric-owner --xattrs --xattrs-include='*' -f "$tar" --exclude='./dev/*' \
    --exclude='./etc/apt' --exclude=./etc/resolv.conf --exclude=./etc/hostname
  rm -- "$tar"
}

# layer TEXT makes a layer of what changed in the tree, with TEXT as its history.
layer() {
  find "$rootfs" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  quietly umoci repack --refresh-bundle --image "$image:latest" --history.created "$created" \
    --history.created_by "$1" "$bundle"
  count=$((${count:-0} + 1))
  say "layer $count: $1"
}

# copy FROM TO is COPY: files of root's, with the modes of a fresh checkout.
copy() {
  mkdir -p "$rootfs$2"
  cp -R --no-preserve=all --preserve=mode -- "$here/$1/." "$rootfs$2/"
  find "$rootfs$2" -mindepth 1 \( -type d -o -perm -u+x \) -exec chmod 755 {} + -o -exec chmod 644 {} +
  chmod 755 "$rootfs$2"
}

quietly umoci init --layout "$image"
quietly umoci new --image "$image:latest"
quietly umoci unpack --image "$image:latest" "$bundle"

debian ''
layer "FROM a minimal Debian $release"

packages=$(instruction ARG | sed -n 's/^packages="\(.*\)"$/\1/p')
[[ -n $packages ]] || die "the Dockerfile names no packages"
debian "${packages// /,}"
layer "RUN apt-get install $packages"

prefix=$(instruction ENV | sed -n 's/^HTTPD_PREFIX=//p')
copy conf "$prefix"
layer "COPY conf/ $prefix/"

chroot "$rootfs" install -d -o www-data -g www-data "$prefix/logs"
rm -rf -- "${rootfs:?}/usr/share/doc" "${rootfs:?}/usr/share/lintian"
layer "RUN install -d $prefix/logs && rm -rf /usr/share/doc /usr/share/lintian"

workdir=$(instruction WORKDIR)
copy webapp "$workdir"
layer "COPY webapp/ $workdir/"

config=(--config.workingdir "$workdir" --config.user "$(instruction USER)"
  --config.exposedports "$(instruction EXPOSE)/tcp")
while read -r line; do config+=(--config.env "$line"); done < <(instruction ENV)
while read -r line; do config+=(--config.entrypoint "$line"); done < <(words ENTRYPOINT)
while read -r line; do config+=("--config.cmd=$line"); done < <(words CMD)
quietly umoci config --image "$image:latest" --created "$created" --no-history "${config[@]}"
quietly umoci gc --layout "$image"

rm -rf --one-file-system -- "$out"
mkdir -p -- "$(dirname -- "$out")"
cp -R -- "$image" "$out"
say "$out:latest, $count layers, $(du -sh -- "$out" | cut -f1)"
