# shellcheck shell=bash
# Postfix: an instance of its own that accepts every mail and puts it into one Maildir; nothing ever leaves the machine.

POSTFIX_DIR=$STACK_SHARED/postfix
POSTFIX_CONF=$POSTFIX_DIR/conf
MAILDIR=$STACK_SHARED/mail/Maildir
POSTFIX=/usr/sbin/postfix
# Postfix delivers to no mailbox of root.
if ((EUID == 0)); then MAIL_USER=nobody; else MAIL_USER=$(id -un); fi

postfix_where() { printf '127.0.0.1:%s, mail in %s' "$STACK_SMTP_PORT" "$MAILDIR"; }

postfix_launch() {
  local file
  local -a settings
  need_free_port STACK_SMTP_PORT "$STACK_SMTP_PORT"
  own_dir root "$POSTFIX_DIR"
  own_dir root "$POSTFIX_CONF"
  own_dir root "$POSTFIX_DIR/queue"
  own_dir postfix "$POSTFIX_DIR/data"
  own_dir "$MAIL_USER" "$STACK_SHARED/mail"
  for file in main.cf master.cf recipients; do
    render "$STACK/conf/postfix-$file" "DIR=$POSTFIX_DIR" "PORT=$STACK_SMTP_PORT" "MAIL=$STACK_SHARED/mail" \
      "UID=$(id -u "$MAIL_USER")" "GID=$(id -g "$MAIL_USER")" | as_root tee "$POSTFIX_CONF/$file" >/dev/null
  done
  # Each in its place: every process warns of a line that is said twice, and postlogd can take no more than ten words at a time.
  mapfile -t settings <<<"${STACK_POSTFIX_SETTINGS:-}"
  if [[ -n ${settings[0]} ]]; then as_root /usr/sbin/postconf -c "$POSTFIX_CONF" -e "${settings[@]}"; fi
  as_root "$POSTFIX" -c "$POSTFIX_CONF" start >"$LOGS/postfix.log" 2>&1 9>&- || fail_with_log postfix "did not start"
  remember postfix "$(as_root cat "$POSTFIX_DIR/queue/pid/master.pid" | tr -d ' ')"
}

postfix_ready() { port_open "$STACK_SMTP_PORT"; }

postfix_settle() { :; }

# The master ends its children; mail that is queued stays for the next start.
postfix_halt() { end_process postfix TERM 10; }

postfix_clean() {
  if [[ -d $POSTFIX_DIR ]]; then as_root rm -rf "$POSTFIX_DIR" "$STACK_SHARED/mail"; fi
}
