// Package integration holds the test of the whole service on real PostgreSQL, Debezium, Kafka and Postfix. Its files
// are behind the build tag integration: `make integration`, see README.md.
package integration
