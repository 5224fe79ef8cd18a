package main

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"lejarat/processor"
	"lejarat/processor/event"
)

// metrics turns what the engine reports into Prometheus metrics. Labels are bounded: topics, partitions, reasons.
type metrics struct {
	taken    *prometheus.CounterVec
	applied  *prometheus.CounterVec
	delay    prometheus.Histogram
	phases   *prometheus.HistogramVec
	notices  *prometheus.CounterVec
	runState *prometheus.CounterVec
	failures *prometheus.CounterVec
}

// delayBuckets in seconds: fine around the 100 ms in which a change is applied, coarse beyond, where a source lags.
var delayBuckets = []float64{.01, .02, .03, .04, .05, .06, .08, .1, .12, .15, .2, .25, .3, .4, .5, 1, 2.5, 5, 10, 60, 600, 3600}

// phaseBuckets in seconds: an idle partition's phase takes a millisecond, the firing of a go-live an hour.
var phaseBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}

func registerRuntime(r *prometheus.Registry) {
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

func newMetrics(r *prometheus.Registry) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "lejarat", Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	delay := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "lejarat", Name: "change_applied_seconds",
		Help: "From a change's commit at its source, by the source's clock, until its watch task has applied it.", Buckets: delayBuckets})
	r.MustRegister(delay)
	phases := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "lejarat", Name: "run_phase_seconds",
		Help: "How long partitions' runs were in each phase.", Buckets: phaseBuckets}, []string{"phase"})
	r.MustRegister(phases)
	return &metrics{
		delay:    delay,
		phases:   phases,
		taken:    counter("source_records_total", "Source records by what became of them.", "topic", "partition", "verdict"),
		applied:  counter("journal_records_applied_total", "Journal records applied by watch.", "partition"),
		notices:  counter("notices_total", "Decisions of runs; decision none: due, but nothing to decide.", "kind", "document_type", "threshold", "decision", "reason"),
		runState: counter("run_states_total", "Changes of state of runs.", "partition", "state", "reason"),
		failures: counter("task_failures_total", "Tasks that failed and began again.", "task"),
	}
}

// Observe implements processor.Observer.
func (m *metrics) Observe(e processor.Event) {
	switch e := e.(type) {
	case processor.Taken:
		for verdict, n := range e.Verdicts {
			m.taken.WithLabelValues(e.Source.Topic, number(e.Source.Partition), verdict.String()).Add(float64(n))
		}
	case processor.AppliedRows:
		m.applied.WithLabelValues(number(e.Partition)).Add(float64(e.Records))
		for _, d := range e.Delays {
			m.delay.Observe(d.Seconds())
		}
	case processor.RunChunk:
		for c, n := range e.Counts {
			m.notices.WithLabelValues(c.Kind, c.Type, c.Threshold, c.Decision, c.Reason).Add(float64(n))
		}
	case processor.RunState:
		m.runState.WithLabelValues(number(e.Partition), e.State, e.Reason).Inc()
	case processor.RunPhase:
		m.phases.WithLabelValues(e.Phase).Observe(e.Took.Seconds())
	case processor.TaskState:
		if e.Err != nil {
			m.failures.WithLabelValues(e.Task).Inc()
		}
	}
}

func number(n int32) string { return strconv.Itoa(int(n)) }

// watch registers the gauges that are read from the engine when somebody asks.
func (m *metrics) watch(r *prometheus.Registry, engine *processor.Engine, clk timepiece) {
	r.MustRegister(&engineGauges{engine: engine, clock: clk})
}

// engineGauges reads the engine at each scrape.
type engineGauges struct {
	engine *processor.Engine
	clock  timepiece
}

var (
	taskRunningDesc = prometheus.NewDesc("lejarat_task_running", "1 when the task is running, 0 while it restores or failed.", []string{"task"}, nil)
	restoredDesc    = prometheus.NewDesc("lejarat_restore_records", "Records read by the task's restore.", []string{"task"}, nil)
	expectedDesc    = prometheus.NewDesc("lejarat_restore_expected_records", "Records that the task's restore has to read.", []string{"task"}, nil)
	lastRunDesc     = prometheus.NewDesc("lejarat_last_complete_run_date_seconds", "Date of the partition's last complete run, as Unix time of its midnight UTC.", []string{"partition"}, nil)
	heldDesc        = prometheus.NewDesc("lejarat_run_held", "1 while the partition's run of today is held.", []string{"partition"}, nil)
	positionDesc    = prometheus.NewDesc("lejarat_source_position", "Next offset of the source partition that intake will commit.", []string{"topic", "partition"}, nil)
	lagDesc         = prometheus.NewDesc("lejarat_source_lag", "Records in the source partition that are not in the journal yet.", []string{"topic", "partition"}, nil)
	joinedDesc      = prometheus.NewDesc("lejarat_source_joined_position", "Offset of the source partition up to which all watch tasks of the instance have applied it.", []string{"topic", "partition"}, nil)
	watermarkDesc   = prometheus.NewDesc("lejarat_watermark_age_seconds", "Real age of the newest commit or heartbeat that watch knows of the source.", []string{"topic"}, nil)
	rowsHeldDesc    = prometheus.NewDesc("lejarat_held_rows", "Rows held because their newest record could not be used.", []string{"topic", "partition"}, nil)
	storeDesc       = prometheus.NewDesc("lejarat_store_bytes", "Disk space of a state store.", []string{"store"}, nil)
	operationsDesc  = prometheus.NewDesc("lejarat_store_operations_total", "What all state stores were asked for.", []string{"operation"}, nil)
	writtenDesc     = prometheus.NewDesc("lejarat_store_written_bytes_total", "Bytes of the batches written to all state stores.", nil, nil)
)

// Describe implements prometheus.Collector.
func (g *engineGauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{taskRunningDesc, restoredDesc, expectedDesc, lastRunDesc, heldDesc, positionDesc, lagDesc, joinedDesc, watermarkDesc, rowsHeldDesc, storeDesc, operationsDesc, writtenDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *engineGauges) Collect(ch chan<- prometheus.Metric) {
	_, tasks := g.engine.Status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, t := range tasks {
		gauge(taskRunningDesc, flag(t.State == "running"), t.Task)
		gauge(restoredDesc, float64(t.Done), t.Task)
		gauge(expectedDesc, float64(t.Total), t.Task)
		if partition, ok := strings.CutPrefix(t.Task, "watch/"); ok {
			gauge(heldDesc, flag(strings.HasPrefix(t.Run, processor.RunHeld)), partition)
			if d, err := event.ParseDate(t.LastRun); err == nil {
				gauge(lastRunDesc, float64(int64(d)*86400), partition)
			}
		}
	}
	for _, s := range g.engine.Sources() {
		gauge(positionDesc, float64(s.Position), s.Topic, number(s.Partition))
		gauge(lagDesc, float64(s.Lag), s.Topic, number(s.Partition))
		gauge(rowsHeldDesc, float64(s.Held), s.Topic, number(s.Partition))
	}
	for tp, offset := range g.engine.JoinedTo() {
		gauge(joinedDesc, float64(offset), tp.Topic, number(tp.Partition))
	}
	for topic, at := range g.engine.Newest() {
		gauge(watermarkDesc, g.clock.Real().Sub(at).Seconds(), topic)
	}
	for store, bytes := range g.engine.StoreBytes() {
		gauge(storeDesc, float64(bytes), store)
	}
	work := g.engine.StoreWork()
	for operation, n := range map[string]int64{"get": work.Gets, "cursor": work.Cursors, "seek": work.Seeks, "step": work.Steps, "passed": work.Passed, "write": work.Writes} {
		ch <- prometheus.MustNewConstMetric(operationsDesc, prometheus.CounterValue, float64(n), operation)
	}
	ch <- prometheus.MustNewConstMetric(writtenDesc, prometheus.CounterValue, float64(work.Bytes))
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
