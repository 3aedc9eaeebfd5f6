#include "fleet/bootstrap_script.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "fleet/shell_quote.hpp"

namespace murder::fleet {
namespace {

/// Standard input is read byte by byte by `read`, so that what follows a line is there for whoever
/// reads next. The marker's line begins on a line of its own, whatever a profile has written
/// before.
///
/// The xz of busybox is not counted as one: it may lack the filter for x86, which is worth 7 %.
///
/// A folder below /var/tmp, or below DEST, may be somebody else's doing: what lies there is run
/// only if the folder is ours and closed to others, or another user's program would be run in our
/// name.
constexpr std::string_view find_script = R"sh(
say() { printf '\n%s\n' "murder-boot $n $*"; };

# Below sudo what the login session knew comes as an argument.
[ "$1" ] && export SSH_CONNECTION="$1";

# Becomes the binary in folder $1, if it is there and runs here.
run() {
  f=$1/$b;
  [ -f "$f" ] && [ -x "$f" ] && [ -O "$f" ] &&
  case $("$f" --version 2>/dev/null </dev/null) in
  'murder '*) say run "$f"; exec "$f" $arguments;;
  esac;
};

closed() {
  [ -O "$1" ] && case $(ls -ld "$1") in drwx--[-S]---[.' ']*) ;; *) false;; esac;
};

{ read -r m </proc/sys/kernel/arch; } 2>/dev/null || m=$(uname -m);
b=-; case $m in $machines esac;
c=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}};
[ "$c" ] && run "$c/murder";
v=/var/tmp/murder-$(id -u);
closed "$v" && run "$v";
closed "$t/.murder/bin" && run "$t/.murder/bin";
case $(xz --version 2>/dev/null </dev/null) in *'XZ Utils'*) x=xz;; *) x=;; esac;
say need "$m" $x ${SSH_CONNECTION%% *};
while IFS= read -r l; do eval "$l"; done;
exit 1
)sh";

constexpr std::string_view install_script = R"sh(
set -f; p=;
has() { command -v "$1" >/dev/null 2>&1; };

# Notes why folder $1 is not taken: the end of the system's message $2.
why() { r="$r$1: ${2##*: }; "; false; };

make() { e=$(export LC_ALL=C; umask 077; mkdir -p "$1" 2>&1) || why "$1" "$e"; };

# Takes folder $1 if a file as large as the binary fits in there and can be run.
usable() {
  x=$1/$b.$n.part;
  e=$(export LC_ALL=C; umask 077; exec 2>&1;
    { echo '#!/bin/sh'; echo exit; head -c $z /dev/zero; } >"$x" && chmod 700 "$x") ||
    { rm -f "$x"; why "$1" "$e"; return; };
  e=$(export LC_ALL=C; "$x" 2>&1) ||
    { rm -f "$x"; why "$1" "programs may not be run there (${e##*: })"; return; };
  p=$1;
};

place() {
  [ "$p" ] && return;
  r=; o=$c; [ -e "$o" ] || o=${o%/*};
  if [ -z "$c" ]; then r='HOME is not set; ';
  elif [ -O "$o" ]; then make "$c/murder" && usable "$c/murder" && return;
  else why "$c/murder" "$o is not there or not ours"; fi;
  if make "$v"; then
    if closed "$v"; then usable "$v" && return; else why "$v" 'not ours alone'; fi;
  fi;
  d=$t/.murder/bin;
  e=$(export LC_ALL=C; mkdir -p -m 700 "$t/.murder" 2>&1) || why "$d" "$e" && make "$d" &&
    if [ -O "$t" ] && [ -O "$t/.murder" ] && closed "$d"; then usable "$d" && return;
    else why "$d" 'not ours alone'; fi;
  say failed no folder takes the program: $r; exit 1;
};

check() {
  s=$({ sha256sum || openssl dgst -sha256 -r || shasum -a 256; } <"$x" 2>/dev/null);
  [ "${s%% *}" = $h ];
};

# What was not used for 30 days goes, but two stay in all; and so does what was cut short.
tidy() {
  ls -t "$p" | { i=0; while read -r o; do
    case $o in
    murder-*.part) find "$p/$o" -mmin +60 -exec rm -f {} \; ;;
    murder-????????????????) i=$((i+1));
      [ $i -gt 2 ] && find "$p/$o" -atime +30 -exec rm -f {} \; ;;
    esac; done; } 2>/dev/null;
};

put() {
  e=$({ chmod 700 "$x" && mv -f "$x" "$p/$b"; } 2>&1) || return;
  tidy; run "$p";
  e=$(export LC_ALL=C; "$p/$b" --version 2>&1 </dev/null); rm -f "$p/$b";
  say failed "$p/$b" does not run on $m: $e; exit 1;
};

# Runs the rest within $1 seconds.
limit() {
  s=$1; shift; "$@" & k=$!;
  (trap 'kill $!; exit' TERM; sleep $s & wait $!; kill $k) <&- >&- 2>&- 3>&- & w=$!;
  { wait $k; o=$?; kill $w; } 2>/dev/null;
  [ $o -lt 128 ] || echo "no answer within $s s" >&2;
  return $o;
};

# http://ADDRESS:PORT/PATH, to stdout; no proxy has to do with it. (-T would make the wget of
# busybox 1.35 crash.)
fetch() {
  unset http_proxy HTTP_PROXY all_proxy ALL_PROXY;
  if has curl; then curl -q -gfsS --noproxy '*' --connect-timeout 5 -y 10 -m $2 "$1";
  elif has wget; then
    case $(wget --version 2>&1) in
    GNU*) limit $2 wget -nv --no-proxy -t 1 -T 5 -O - "$1";;
    *) limit $2 wget -q -O - "$1";;
    esac;
  elif has bash; then
    a=${1#http://}; q=/${a#*/}; a=${a%%/*}; g=${a##*:}; a=${a%:*}; a=${a#\[}; a=${a%]};
    limit 5 bash -c 'exec 5<>/dev/tcp/$0/$1' "$a" $g && limit $2 bash -c '
      exec 5<>/dev/tcp/$0/$1;
      printf "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" "$2" "$0" >&5;
      IFS= read -r l <&5;
      case $l in *" 200 "*) ;; *) echo "${l:-no answer}" >&2; exit;; esac;
      while IFS= read -r l <&5 && [ ${#l} -gt 1 ]; do :; done;
      cat <&5' "$a" $g "$q";
  else echo no curl, wget or bash here >&2; fi;
};

get() {
  place;
  case $1 in *.gz) u='gzip -dc';; *) u=cat;; esac;
  e=$({ fetch "$1" $2 2>&3 | $u 2>/dev/null >"$x"; } 3>&1);
  if check; then put; fi;
  [ "$s" ] || e='no sha256sum, openssl or shasum here';
  rm -f "$x";
  say fetch-failed ${e:-the digest does not match};
};

# The channel is authenticated: without a tool for digests the checksum of gzip or xz has to do.
# All is read also when an xz does not work, so that gzip can follow.
take() {
  place;
  case $2 in xz) u='xz -dc';; *) u='gzip -dc';; esac;
  e=$(head -c $1 | { $u 2>&1 >"$x"; o=$?; cat >/dev/null; exit $o; }) &&
    { check || [ -z "$s" ]; } && put;
  rm -f "$x"; : ${e:=the digest does not match};
  [ "$2" ] && { say fetch-failed $e; return; };
  say failed $e; exit 1;
};
)sh";

/// The script as one line: without comments, indentation and empty lines.
std::string one_line(std::string_view script) {
  std::string line;
  while (!script.empty()) {
    std::string_view part = script.substr(0, script.find('\n'));
    script.remove_prefix(std::min(script.size(), part.size() + 1));
    part.remove_prefix(std::min(part.size(), part.find_first_not_of(' ')));
    if (part.empty() || part.front() == '#') continue;
    line += part;
    line += ' ';
  }
  return line;
}

void replace(std::string& text, std::string_view what, std::string_view by) {
  text.replace(text.find(what), what.size(), by);
}

/// As `case` patterns, the names that the kernel may have for a machine.
std::string_view patterns(const std::string& machine) {
  if (machine == "x86_64") return "x86_64|amd64";
  if (machine == "aarch64") return "aarch64|arm64";
  return machine;
}

}  // namespace

std::string file_name(const BootstrapBinary& binary) {
  return "murder-" + binary.sha256.hex().substr(0, 16);
}

std::string find_line(const std::string& nonce, const std::vector<BootstrapBinary>& binaries,
                      const std::string& dest, const std::vector<std::string>& arguments) {
  std::string machines;
  for (const BootstrapBinary& binary : binaries)
    machines += fmt::format("{}) b={};; ", patterns(binary.machine), file_name(binary));
  std::string words;
  for (const std::string& argument : arguments) words += shell_quote(argument) + " ";
  // A relative DEST must not look like an option of ls or mkdir.
  const std::string folder = dest.starts_with('/') ? dest : "./" + dest;

  std::string script = one_line(find_script);
  replace(script, "$machines", machines);
  replace(script, "$arguments", words);
  return fmt::format("n={} t={}; {}\n", nonce, shell_quote(folder), script);
}

std::string install_definitions(const BootstrapBinary& binary) {
  static const std::string script = one_line(install_script);
  return fmt::format("b={} h={} z={}; {}", file_name(binary), binary.sha256.hex(), binary.size,
                     script);
}

}  // namespace murder::fleet
