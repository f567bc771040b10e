# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What the worked examples share. Each sources it with `top` set to the folder above examples/, and sets `work`, where it builds.
# shellcheck disable=SC2154 # top and work
# CPROF is the launcher to use: by default the one of the tree, else the one that is installed.

set -eu
if [ -x "$top/scripts/cprof" ]; then
    : "${CPROF:=$top/scripts/cprof}"
else
    : "${CPROF:=cprof}"
fi

die() {
    echo "$(basename -- "$(dirname -- "$0")"): $*" >&2
    exit 1
}

say() { printf '\n== %s\n' "$*"; }

# Shows a command, then runs it.
show() {
    echo "+ $*" | sed "s|$CPROF|cprof|; s|$work/||g"
    "$@"
}

# need COMMAND=PACKAGE...: installs the packages of the commands that are missing.
need() {
    missing=
    for entry in "$@"; do
        command -v "${entry%%=*}" >/dev/null || [ -x "/usr/sbin/${entry%%=*}" ] || missing="$missing ${entry#*=}"
    done
    [ -n "$missing" ] || return 0
    [ "$(id -u)" = 0 ] || die "these packages are missing: apt-get install$missing"
    # Installed, not started.
    policy=/usr/sbin/policy-rc.d
    [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && trap 'rm -f /usr/sbin/policy-rc.d' EXIT; }
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=5 install -y -qq --no-install-recommends $missing >"$work/install.log" 2>&1 ||
        die "apt-get could not install$missing: see $work/install.log"
}

# source_package NAME: unpacks Debian 12's source package, with Debian's patches, to $work/NAME. Needs no root: apt's lists
# of sources are kept in $work/apt.
source_package() {
    [ ! -d "$work/$1" ] || return 0
    # shellcheck disable=SC2016 # apt's own variable
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
    mkdir -p "$work/apt/lists/partial"
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${uri:-http://deb.debian.org/debian} bookworm main" \
        >"$work/apt/sources.list"
    cat >"$work/apt/apt.conf" <<END
Dir::Etc::sourcelist "$work/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$work/apt/lists";
APT::Sandbox::User "";
Acquire::Retries "5";
END
    (
        export APT_CONFIG="$work/apt/apt.conf"
        cd "$work/apt"
        apt-get -q update && apt-get -q --only-source source "$1"
    ) >"$work/$1.log" 2>&1 || die "no source package $1: see $work/$1.log"
    mv "$work/apt/$1"-*/ "$work/$1"
}

# free_port: a port of the loopback interface that nobody has now.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for_port PORT: until somebody listens there, ten seconds at most.
wait_for_port() {
    python3 - "$1" <<'END' || die "nobody listens at port $1"
import socket, sys, time
for _ in range(200):
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", int(sys.argv[1]))) == 0:
            sys.exit(0)
    time.sleep(0.05)
sys.exit(1)
END
}
