// Package event holds the values that cross the boundaries of lejarat's packages: dates, topic records,
// row changes, and the port to the log that the engine runs on. It imports the standard library only.
package event

import "time"

// TopicPartition names one partition of a topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Span is what a partition holds: the first offset that can still be read and the high watermark,
// that is, the offset after the last record or control record.
type Span struct{ Start, End int64 }

// Header is one record header.
type Header struct {
	Key   string
	Value []byte
}

// Record is one Kafka record, read or to be written. A record to be written carries its partition
// where the topic's partitioning is ours (journal), else AnyPartition.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       []byte
	Value     []byte // nil is a tombstone
	Headers   []Header
	Time      time.Time // the record's Kafka timestamp
	// Control marks a transaction marker. It carries no data; its offset moves the position of a reader.
	Control bool
}

// AnyPartition leaves the choice of the partition to the hash of the key (murmur2, as Kafka's own clients choose).
const AnyPartition int32 = -1

// HeaderValue returns the value of the first header named key, or nil.
func (r *Record) HeaderValue(key string) []byte {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value
		}
	}
	return nil
}
