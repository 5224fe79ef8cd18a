package main

// What can be done to a gate.

// freeze stops all traffic: what is on its way arrives when the gate is thawed.
func (g *gate) freeze() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range []*chan struct{}{&g.open, &g.pens} {
		if closed(*c) {
			*c = make(chan struct{})
		}
	}
}

func (g *gate) thaw() {
	g.thawPens()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !closed(g.open) {
		close(g.open)
	}
}

// thawPens lets writers go on, and not yet what would tell the instance that its partitions are no longer its own.
func (g *gate) thawPens() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !closed(g.pens) {
		close(g.pens)
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// sever ends every connection, and refuses new ones until mend.
func (g *gate) sever() {
	g.mu.Lock()
	g.cut = true
	var ending []*link
	for k := range g.links {
		ending = append(ending, k)
	}
	g.mu.Unlock()
	for _, k := range ending {
		k.close()
	}
}

func (g *gate) mend() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = false
}

// close ends the gate; the instance finds nothing any more.
func (g *gate) close() {
	g.sever()
	g.thaw()
	g.mu.Lock()
	for k := range g.links {
		k.far.Close()
	}
	g.mu.Unlock()
	g.wg.Wait()
}
