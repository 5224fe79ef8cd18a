# shellcheck shell=bash disable=SC2034 # what is set here is used by the other files
# Settings, messages and the life of a process, shared by every command of the stack.
# A part is named by one word (postgres, kafka, connect, postfix); lib/PART.sh says how to launch, await and halt it.

PARTS=(postgres kafka connect postfix)

# shellcheck source=../versions
source "$STACK/versions"

: "${LEJARAT_CACHE:=$HOME/.cache/lejarat-stack}"
: "${STACK_KAFKA_PORT:=19092}" "${STACK_CONTROLLER_PORT:=$((STACK_KAFKA_PORT + 1))}"
: "${STACK_SASL_PORT:=$((STACK_KAFKA_PORT + 2))}" "${STACK_CONNECT_PORT:=18083}"
: "${STACK_POSTGRES_PORT:=15432}" "${STACK_SMTP_PORT:=12525}"
: "${STACK_POSTGRES_PASSWORD:=stack}" "${STACK_CDC_PASSWORD:=stack}"
: "${KAFKA_HEAP:=256m}" "${CONNECT_HEAP:=192m}" "${STACK_EXACTLY_ONCE:=disabled}"

CACHE=$LEJARAT_CACHE
RUN=$CACHE/run
LOGS=$CACHE/logs
KAFKA_LIB=$CACHE/lib/kafka-$KAFKA_VERSION
CONNECT_PLUGINS=$CACHE/lib/debezium-$DEBEZIUM_VERSION

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
usage_error() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 2; }

now_ms() { printf '%s' $((${EPOCHREALTIME/[.,]/} / 1000)); }
seconds_since() { local ms=$(($(now_ms) - $1)); printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100)); }

as_root() {
  if ((EUID == 0)); then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "root is needed for: $* (run as root, or install sudo)"; fi
}

# others_may_enter DIR: can another user reach DIR? Decides where data of PostgreSQL and Postfix may stand.
others_may_enter() {
  local dir=$1
  until [[ -e $dir ]]; do dir=$(dirname "$dir"); done
  dir=$(realpath "$dir")
  while :; do
    [[ $(stat -c %A "$dir") == *[xt] ]] || return 1
    [[ $dir == / ]] && return 0
    dir=$(dirname "$dir")
  done
}

# Data of other users: inside the cache where they may enter it, else (a home folder of mode 0700) in /var/lib, one
# folder a cache, so that two stacks never share one.
if [[ -z ${STACK_SHARED:-} ]]; then
  if others_may_enter "$CACHE"; then STACK_SHARED=$CACHE/data
  else STACK_SHARED=/var/lib/lejarat-stack/$(printf %s "$CACHE" | cksum | cut -d' ' -f1); fi
fi

# own_dir USER DIR: makes DIR, parents included, and gives it to USER.
own_dir() {
  [[ -d $2 ]] || { if mkdir -p "$2" 2>/dev/null; then :; else as_root mkdir -p "$2"; fi; }
  [[ $(stat -c %U "$2") == "$1" ]] || as_root chown "$1" "$2"
}

# render TEMPLATE NAME=VALUE...: prints TEMPLATE with each @NAME@ replaced.
render() {
  local text pair
  text=$(<"$1")
  shift
  for pair in "$@"; do text=${text//"@${pair%%=*}@"/"${pair#*=}"}; done
  printf '%s\n' "$text"
}

# --- processes -------------------------------------------------------------------------------------------------------

# A pid alone may since belong to somebody else: the pid file holds the process's start time too.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  local -a field
  read -r -a field <<<"${stat##*) }"
  [[ ${field[0]} != Z ]] && printf '%s' "${field[19]}"
}

remember() { printf '%s %s\n' "$2" "$(start_time "$2" || echo gone)" >"$RUN/$1.pid"; }

# pid_of PART prints the pid of the process that start left behind; fails when it is not running any more.
pid_of() {
  local pid began
  read -r pid began 2>/dev/null <"$RUN/$1.pid" || return 1
  [[ $(start_time "$pid") == "$began" ]] && printf '%s' "$pid"
}

is_running() { pid_of "$1" >/dev/null; }

# processes_of PART: their names; Kafka may be several.
processes_of() { if [[ $1 == kafka ]]; then kafka_processes; else printf '%s\n' "$1"; fi; }

any_running() {
  local process
  for process in $(processes_of "$1"); do if is_running "$process"; then return 0; fi; done
  return 1
}

all_running() {
  local process
  for process in $(processes_of "$1"); do is_running "$process" || return 1; done
}

# launch PART COMMAND...: in the background, in its own session, from /, log in LOGS, the former log kept as .1.
# COMMAND must exec what it starts: the pid remembered is its own.
launch() {
  local part=$1
  shift
  if [[ -f $LOGS/$part.log ]]; then mv "$LOGS/$part.log" "$LOGS/$part.log.1"; fi
  (cd / && exec setsid "$@") </dev/null >"$LOGS/$part.log" 2>&1 9>&- &
  remember "$part" $!
}

# await PART SECONDS CHECK...: until CHECK succeeds; dies with the log's end when the process ends or time is up.
await() {
  local part=$1 limit=$2 began
  shift 2
  began=$(now_ms)
  until "$@"; do
    is_running "$part" || fail_with_log "$part" "ended while starting"
    (($(now_ms) - began < limit * 1000)) || fail_with_log "$part" "was not ready in $limit s"
    sleep 0.1
  done
}

fail_with_log() {
  local log=$LOGS/$1.log
  [[ -f $log ]] && tail -n 15 "$log" >&2
  die "$1 $2 (log: $log)"
}

# end_process PART SIGNAL SECONDS: asks, waits, and only then kills; touches nothing that start did not leave behind.
end_process() {
  local part=$1 signal=$2 limit=$3 pid began
  if pid=$(pid_of "$part"); then
    began=$(now_ms)
    as_owner "$pid" kill "-$signal" "$pid"
    while is_running "$part"; do
      if (($(now_ms) - began > limit * 1000)); then
        say "$part did not end in $limit s: killed"
        as_owner "$pid" kill -KILL "$pid"
      fi
      sleep 0.1
    done
  fi
  rm -f "$RUN/$part.pid"
}

as_owner() {
  local pid=$1
  shift
  if [[ -O /proc/$pid ]]; then "$@"; else as_root "$@"; fi
}

port_open() { (exec 8<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# need_free_port VARIABLE PORT: waits a little, since the children of a part that was killed may still be ending.
need_free_port() {
  local began
  began=$(now_ms)
  while port_open "$2"; do
    (($(now_ms) - began < 8000)) || die "port $2 is taken by another program; stop it, or choose another port with $1"
    sleep 0.1
  done
}

take_lock() {
  mkdir -p "$RUN" "$LOGS"
  exec 9>"$RUN/lock"
  flock -w 600 9 || die "another start or stop is under way"
}

# pick_parts WORD...: sets PICKED to these parts in starting order; none given means all.
pick_parts() {
  local part word wanted=" $* "
  PICKED=()
  for word in "$@"; do
    [[ " ${PARTS[*]} " == *" $word "* ]] || usage_error "no part '$word'; there are: ${PARTS[*]}"
  done
  for part in "${PARTS[@]}"; do
    if (($# == 0)) || [[ $wanted == *" $part "* ]]; then PICKED+=("$part"); fi
  done
}
