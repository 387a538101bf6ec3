#!/bin/sh
# Runs a command in a world of its own: a network namespace in which every address there is, public, private or
# of a metadata service, is this very host, so that the canaries of `stereo egress attack` are the whole Internet
# and a leak is really seen; and whose resolver is the attack's DNS sink, which knows every name.
# usage: world.sh COMMAND [ARGUMENT...]
set -eu
project=$(cd -- "$(dirname -- "$0")/../.." && pwd)

if [ -z "${STEREO_WORLD-}" ]; then
  STEREO_WORLD=$(mktemp -d /tmp/stereo-world-XXXXXX)
  export STEREO_WORLD
  trap 'rm -rf "$STEREO_WORLD"' EXIT
  # not exec: the folder goes when the command has ended; Ctrl-C reaches the command itself
  trap ':' INT TERM HUP
  if [ "$(id -u)" = 0 ]; then set -- unshare --net --mount -- sh "$0" "$@"
  else set -- unshare --map-root-user --net --mount -- sh "$0" "$@"; fi
  "$@" && code=0 || code=$?
  exit "$code"
fi

ip link set lo up
# any address is a local one: whoever connects anywhere meets a canary
ip route add local default dev lo
ip -6 route add local default dev lo 2>/dev/null || echo "world: no IPv6 on this host" >&2

printf 'nameserver 127.0.0.1\noptions timeout:2 attempts:1\n' >"$STEREO_WORLD/resolv.conf"
mount --bind "$STEREO_WORLD/resolv.conf" /etc/resolv.conf
# the world's own egress sets beside the project's
cp -R "$project/policies" "$STEREO_WORLD/policies"
cp "$project"/test/attack/sets/*.toml "$STEREO_WORLD/policies/egress/"
mount --bind "$STEREO_WORLD/policies" "$project/policies"
exec "$@"
