# shellcheck shell=bash
# Gets what the parts need and the machine lacks: Debian packages, then the pinned jars. A second start finds all of it.

# install_for PART...: installs for these parts only.
install_for() {
  local part
  local -a packages=()
  for part in "$@"; do
    case $part in
      kafka | connect) have_kafka_packages || packages+=(default-jre-headless maven curl ca-certificates) ;;
      postgres) postgres_bin >/dev/null || packages+=("$(postgres_package)") ;;
      postfix)
        [[ -x /usr/sbin/postfix ]] || packages+=(postfix)
        [[ -x /usr/sbin/saslpasswd2 ]] || packages+=(sasl2-bin libsasl2-modules)
        ;;
    esac
  done
  ((${#packages[@]} == 0)) || install_packages "${packages[@]}"
  for part in "$@"; do
    case $part in
      kafka) install_kafka ;;
      connect) install_kafka && install_debezium ;;
    esac
  done
}

have_kafka_packages() { command -v java >/dev/null && command -v mvn >/dev/null && command -v curl >/dev/null; }

# The pinned release where this Debian has it, else the one that it has.
postgres_package() {
  if apt-cache show "postgresql-$POSTGRES_MAJOR" >/dev/null 2>&1; then printf 'postgresql-%s' "$POSTGRES_MAJOR"
  else printf postgresql; fi
}

# Installs without a question, without starting a service, now or at the next boot, and without removing anything:
# postfix would otherwise replace the machine's own mail server.
install_packages() {
  local began log=$LOGS/apt.log
  began=$(now_ms)
  say "installing Debian packages: $*"
  printf 'postfix postfix/main_mailer_type select No configuration\n' | as_root debconf-set-selections
  forbid_service_starts
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >"$log" 2>&1 9>&- || true
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove \
    "$@" >>"$log" 2>&1 9>&-; then
    allow_service_starts
    tail -n 15 "$log" >&2
    die "installing $* failed (log: $log)"
  fi
  allow_service_starts
  keep_services_off "$@"
  say "installed in $(seconds_since "$began")"
}

POLICY=/usr/sbin/policy-rc.d
OUR_POLICY='# Put here by the lejarat stack while it installs packages; may be removed.'

forbid_service_starts() {
  [[ -e $POLICY ]] && return
  printf '#!/bin/sh\n%s\nexit 101\n' "$OUR_POLICY" | as_root tee "$POLICY" >/dev/null
  as_root chmod 755 "$POLICY"
  trap allow_service_starts EXIT
}

allow_service_starts() {
  if [[ -e $POLICY ]] && grep -qxF "$OUR_POLICY" "$POLICY"; then as_root rm -f "$POLICY"; fi
}

# Only services that came with the packages just installed are switched off.
keep_services_off() {
  local package
  [[ -d /run/systemd/system ]] || return 0
  for package in "$@"; do
    case $package in
      postgresql*) as_root systemctl disable --quiet postgresql 2>/dev/null || true ;;
      postfix) as_root systemctl disable --quiet postfix 2>/dev/null || true ;;
      sasl2-bin) as_root systemctl disable --quiet saslauthd 2>/dev/null || true ;;
    esac
  done
}

maven() { mvn -q -B "$@" >"$LOGS/maven.log" 2>&1 9>&- || fail_with_log maven "could not fetch what it should"; }

plugin_goal() { printf 'org.apache.maven.plugins:maven-dependency-plugin:%s:%s' "$MAVEN_DEPENDENCY_PLUGIN" "$1"; }

# A folder counts only under its final name, and gets that only when every file in it has the pinned checksum.
install_kafka() {
  [[ -d $KAFKA_LIB ]] && return
  local began dl=$KAFKA_LIB.part
  began=$(now_ms)
  rm -rf "$dl" && mkdir -p "$dl"
  maven -f "$STACK/pom.xml" "-Dkafka.version=$KAFKA_VERSION" "$(plugin_goal copy-dependencies)" \
    -DincludeScope=runtime "-DoutputDirectory=$dl"
  verify "$dl" kafka.sha256
  mv "$dl" "$KAFKA_LIB"
  say "fetched Apache Kafka $KAFKA_VERSION in $(seconds_since "$began")"
}

install_debezium() {
  [[ -d $CONNECT_PLUGINS ]] && return
  local began dl=$CACHE/download dir=$CONNECT_PLUGINS.part
  began=$(now_ms)
  rm -rf "$dl" "$dir" && mkdir -p "$dl" "$dir"
  maven "$(plugin_goal copy)" "-DoutputDirectory=$dl" \
    "-Dartifact=io.debezium:debezium-connector-postgres:$DEBEZIUM_VERSION:tar.gz:plugin"
  verify "$dl" debezium.sha256
  tar -xzf "$dl"/debezium-connector-postgres-*.tar.gz -C "$dir"
  mv "$dir" "$CONNECT_PLUGINS"
  rm -rf "$dl"
  say "fetched Debezium $DEBEZIUM_VERSION in $(seconds_since "$began")"
}

# verify DIR LIST: exactly the files of LIST, each with its checksum.
verify() {
  local extra
  (cd "$1" && sha256sum --quiet -c "$STACK/$2") || die "a download differs from $2: nothing of it is used"
  extra=$(comm -13 <(sed 's/^[0-9a-f]* [ *]//' "$STACK/$2" | sort) <(cd "$1" && printf '%s\n' * | sort))
  [[ -z $extra ]] || die "not listed in $2: $extra"
}
