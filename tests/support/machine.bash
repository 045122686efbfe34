# A small Debian in a folder, to be sourced. Tests in it do not change this machine.
# shellcheck shell=bash

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

step() { printf '\n== %s\n' "$*"; }

# own_namespaces SCRIPT ARGUMENT...: runs the script with mounts and processes of its own. All of them end with it.
own_namespaces() {
  [ "$(id -u)" = 0 ] || { echo "root is needed, for mounts, debootstrap and chroot"; exit 77; }
  [ -z "${OWN_NAMESPACES:-}" ] || return 0
  OWN_NAMESPACES=1 exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc "$@"
}

# new_machine FOLDER PACKAGE...: Debian bookworm with essential packages, apt and these packages. $machine names it.
new_machine() {
  machine=$1
  shift
  # The mirror that this machine installs from.
  # shellcheck disable=SC2016
  local base mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | grep '/debian/*$' | head -n 1 | sed 's|/*$||')}
  base=$(dirname "$machine")/bookworm
  command -v debootstrap > /dev/null || { apt-get update; apt-get install --yes debootstrap; }
  # The base is the same for all, and is kept.
  if [ ! -e "$base.complete" ]; then
    rm -rf "$base"
    mkdir -p "$base"
    debootstrap --variant=minbase bookworm "$base" "$mirror" > "$base.log" 2>&1 || { tail "$base.log"; fail "debootstrap"; }
    touch "$base.complete"
  fi
  rm -rf "$machine"
  cp --archive "$base" "$machine"
  printf 'deb %s bookworm main\ndeb %s bookworm-updates main\ndeb %s-security bookworm-security main\n' \
    "$mirror" "$mirror" "$mirror" > "$machine/etc/apt/sources.list"
  cp /etc/resolv.conf /etc/hosts "$machine/etc/"
  mount --types proc proc "$machine/proc"
  mount --rbind /dev "$machine/dev"
  mount --types tmpfs tmpfs "$machine/tmp"
  in_machine apt-get -qq update
  [ $# = 0 ] || in_machine apt-get -qq install --yes --no-install-recommends "$@" > /dev/null
}

# boot_machine: starts its systemd, with a network of its own. It ends with this script.
boot_machine() {
  command -v ip > /dev/null || { apt-get update; apt-get install --yes iproute2; }
  # systemd moves the root of its services' namespaces, so its own root must be a mount.
  # shellcheck disable=SC2016
  unshare --mount --propagation private --pid --fork --kill-child --cgroup --ipc --uts --net bash -euc '
    ip link set lo up
    mount --bind "$1" "$1"
    mount --types proc proc "$1/proc"
    mount --types sysfs --options ro sysfs "$1/sys"
    mount --types cgroup2 cgroup2 "$1/sys/fs/cgroup"
    mount --rbind /dev "$1/dev"
    mount --types tmpfs tmpfs "$1/run"
    mount --types tmpfs tmpfs "$1/tmp"
    cd "$1"
    mount --move . /
    exec chroot . /usr/bin/env --ignore-environment container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
      /lib/systemd/systemd --system --log-target=null --show-status=0 --unit=multi-user.target
  ' boot "$machine" < /dev/null > "$machine.boot.log" 2>&1 &
  local unshare=$! end=$((SECONDS + 60)) state
  init=
  while [ $SECONDS -lt $end ]; do
    init=$(pgrep --parent "$unshare" || true)
    if [ -n "$init" ]; then
      state=$(in_machine systemctl is-system-running 2> /dev/null || true)
      case $state in running | degraded) return ;; esac
    fi
    sleep 0.2
  done
  tail "$machine.boot.log"
  fail "systemd does not start"
}

# in_machine COMMAND...: as root, with none of this shell's variables.
in_machine() {
  local proxy proxies=() enter=(chroot "$machine")
  [ -z "${init:-}" ] || enter=(nsenter --target "$init" --mount --pid --net --root --wd)
  for proxy in http_proxy https_proxy no_proxy; do
    [ -z "${!proxy:-}" ] || proxies+=("$proxy=${!proxy}")
  done
  "${enter[@]}" /usr/bin/env --ignore-environment "${proxies[@]}" HOME=/root LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"
}

# free_port: one that nothing listens on now.
free_port() {
  local port
  while port=$((RANDOM % 20000 + 20000)); do
    (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || break
  done
  echo "$port"
}

# get PORT PATH: the answer of the server on this machine, headers and all.
get() {
  local answer
  exec 3<> "/dev/tcp/127.0.0.1/$1" || return
  printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
  answer=$(cat <&3)
  exec 3>&-
  printf '%s\n' "$answer"
}

# wait_until_ready PORT PROCESS SECONDS: until /readyz says so, or the process has ended.
wait_until_ready() {
  local end=$((SECONDS + $3))
  until [[ $(get "$1" /readyz 2> /dev/null) == 'HTTP/1.1 200 '* ]]; do
    kill -0 "$2" 2> /dev/null || return 1
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}
