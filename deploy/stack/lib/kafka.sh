# shellcheck shell=bash
# Apache Kafka: one node, broker and controller in one process (KRaft).

KAFKA_DATA=$CACHE/data/kafka
# Any 16 bytes in base64 will do; a fixed one makes formatting repeatable.
KAFKA_CLUSTER_ID=bGVqYXJhdC1zdGFjay0wMQ

kafka_where() { printf '127.0.0.1:%s' "$STACK_KAFKA_PORT"; }

# A JVM that lives for seconds, or waits for others, gains nothing from the second compiler.
BRIEF_JVM=-XX:TieredStopAtLevel=1

# java_command LOGGING HEAP [-JVM OPTION]... CLASS ARGUMENT...: sets JAVA to the command that runs CLASS. The time zone
# is fixed because the dates of Debezium's snapshots depend on it.
java_command() {
  local logging=$1 heap=$2
  shift 2
  JAVA=(java "-Xms$heap" "-Xmx$heap" -XX:+UseSerialGC -Duser.timezone=UTC
    "-Dlog4j2.configurationFile=file:$STACK/conf/$logging.yaml" -cp "$KAFKA_LIB/*" "$@")
}

kafka_launch() {
  local conf=$CACHE/run/kafka.properties
  need_free_port STACK_KAFKA_PORT "$STACK_KAFKA_PORT"
  need_free_port STACK_CONTROLLER_PORT "$STACK_CONTROLLER_PORT"
  render "$STACK/conf/kafka.properties" "PORT=$STACK_KAFKA_PORT" "CONTROLLER_PORT=$STACK_CONTROLLER_PORT" \
    "DATA=$KAFKA_DATA" >"$conf"
  if [[ ! -f $KAFKA_DATA/meta.properties ]]; then
    java_command log4j2-tools 128m "$BRIEF_JVM" kafka.tools.StorageTool format -t "$KAFKA_CLUSTER_ID" -c "$conf"
    "${JAVA[@]}" >"$LOGS/kafka-format.log" 2>&1 9>&- || fail_with_log kafka-format "failed"
  fi
  java_command log4j2 "$KAFKA_HEAP" kafka.Kafka "$conf"
  launch kafka "${JAVA[@]}"
}

kafka_ready() { grep -q 'Kafka Server started' "$LOGS/kafka.log"; }

kafka_settle() { :; }

kafka_halt() { end_process kafka TERM 30; }

kafka_clean() { rm -rf "$KAFKA_DATA"; }
