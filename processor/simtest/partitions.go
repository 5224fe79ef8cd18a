package simtest

// AddPartitions raises the number of partitions of a topic.
func (l *Log) AddPartitions(name string, more int) {
	for range more {
		l.topics[name].partitions = append(l.topics[name].partitions, &partition{})
	}
}
