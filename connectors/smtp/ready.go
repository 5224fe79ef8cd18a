package smtp

// ready are the mails that may be handed out, in their order: what is in doubt before all others (package comment), then
// what is good for today only.
type ready struct{ doubt, lastDay, rest []*job }

func (q *ready) of(j *job) *[]*job {
	switch {
	case j.doubt:
		return &q.doubt
	case j.lastDay:
		return &q.lastDay
	}
	return &q.rest
}

// push adds a mail behind those of its kind; front, before them; back takes those that have waited: to the front, but for
// mails that a relay was slowed or set aside for. One of them may be to blame, and then the relay is asked with others first.
func (q *ready) push(j *job) {
	of := q.of(j)
	*of = append(*of, j)
}

func (q *ready) front(jobs ...*job) {
	for i := len(jobs) - 1; i >= 0; i-- {
		of := q.of(jobs[i])
		*of = append([]*job{jobs[i]}, *of...)
	}
}

func (q *ready) back(jobs []*job) {
	var front []*job
	for _, j := range jobs {
		if j.blamed {
			q.push(j)
		} else {
			front = append(front, j)
		}
	}
	q.front(front...)
}

// pop takes the next one out; nil: there is none. Without rest, only one that cannot wait.
func (q *ready) pop(rest bool) *job {
	for _, of := range []*[]*job{&q.doubt, &q.lastDay, &q.rest} {
		if len(*of) > 0 && (rest || of != &q.rest) {
			j := (*of)[0]
			*of = (*of)[1:]
			return j
		}
	}
	return nil
}

func (q *ready) len() int { return len(q.doubt) + len(q.lastDay) + len(q.rest) }

// keep drops those that are not to be kept.
func (q *ready) keep(kept func(*job) bool) {
	for _, of := range []*[]*job{&q.doubt, &q.lastDay, &q.rest} {
		var left []*job
		for _, j := range *of {
			if kept(j) {
				left = append(left, j)
			}
		}
		*of = left
	}
}
