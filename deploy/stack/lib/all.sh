# shellcheck shell=bash disable=SC2034 # CLEAN is read by the commands
# Everything the commands share: each sets STACK to its own folder and sources this file.

# shellcheck source=common.sh
source "$STACK/lib/common.sh"
for part in install "${PARTS[@]}"; do
  # shellcheck source=/dev/null
  source "$STACK/lib/$part.sh"
done
unset part

# parse_arguments ARGUMENT...: sets CLEAN and PICKED, or prints the command's own head as help. Of the commands only
# start takes --brokers.
parse_arguments() {
  local word brokers=
  local -a words=()
  CLEAN=
  while (($# > 0)); do
    word=$1
    shift
    case $word in
      --clean) CLEAN=yes ;;
      --brokers)
        [[ ${0##*/} == start ]] || usage_error "only start takes --brokers"
        brokers=${1:-none}
        shift $(($# > 0))
        ;;
      -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" && exit 0 ;;
      -*) usage_error "unknown option $word" ;;
      *) words+=("$word") ;;
    esac
  done
  pick_parts "${words[@]}"
  if [[ ${0##*/} == start ]]; then choose_brokers "$brokers"; fi
}

picked() { [[ " ${PICKED[*]} " == *" $1 "* ]]; }

# report PART WHAT [PROCESS]: of a part, or of one process of it.
report() { printf '%-9s %-22s %s\n' "${3:-$1}" "$2" "$("$1_where")"; }

# Consumers before what they consume from.
halt_parts() {
  local part
  for part in postfix connect kafka postgres; do
    if ! picked "$part"; then continue; fi
    if any_running "$part"; then
      "${part}_halt"
      say "$part stopped"
    else
      rm -f "$RUN/$part.pid"
    fi
  done
}

halt_and_clean() {
  local part
  if picked kafka && ! picked connect && is_running connect; then
    die "Connect keeps its data in this Kafka: name connect too, or stop it first"
  fi
  halt_parts
  for part in "${PICKED[@]}"; do "${part}_clean"; done
  if [[ -d $STACK_SHARED ]]; then as_root rmdir --ignore-fail-on-non-empty "$STACK_SHARED"; fi
  say "removed the data of: ${PICKED[*]}"
}
