package kafka

import (
	"testing"

	"lejarat/processor/event"
)

func TestMembersCountsWhoIsThere(t *testing.T) {
	c, name := begin(t, 1)
	group := unique("group")
	members := func() int {
		t.Helper()
		n, err := c.Members(testContext(t), group, unique("never"))
		if err != nil {
			t.Fatal(err)
		}
		if len(n) > 1 {
			t.Fatalf("want nobody in a group that never was: %v", n)
		}
		return n[group]
	}
	if n := members(); n != 0 {
		t.Fatalf("%d members before anybody joined", n)
	}
	assigned := make(chan struct{}, 1)
	m, err := c.Join(testContext(t), group, []string{name}, event.Assignment{
		Assigned: func([]event.TopicPartition) { assigned <- struct{}{} }, Revoked: func([]event.TopicPartition) {}})
	if err != nil {
		t.Fatal(err)
	}
	<-assigned
	if n := members(); n != 1 {
		t.Errorf("%d members, want 1", n)
	}
	m.Close()
	eventually(t, "the group is empty again", func() bool { return members() == 0 })
}
