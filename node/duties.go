package node

import "vigil/node/duty"

// duties are what this node's agency owes without anyone asking.
func (n *Node) duties() []duty.Duty {
	return []duty.Duty{
		answerRecalls{n},
		n.blinding,
		escalations{n},
		releases{n},
		retellRecalls{n},
		acknowledgements{n},
		answerExpungements{n},
	}
}
