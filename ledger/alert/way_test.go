package alert

import "testing"

func TestWaysOut(t *testing.T) {
	for _, c := range []struct {
		tlp     TLP
		caveats []string
		own     bool
		permits map[Way]bool
	}{
		{Clear, nil, false, map[Way]bool{ByFile: true, ByBundle: true, ToPlatform: true}},
		{Green, nil, false, map[Way]bool{ByFile: true, ByBundle: true, ToPlatform: true}},
		{Amber, nil, false, map[Way]bool{ByFile: true, ByBundle: true, ToPlatform: true}},
		{AmberStrict, nil, false, map[Way]bool{ByFile: true, ByBundle: false, ToPlatform: false}},
		{AmberStrict, nil, true, map[Way]bool{ByFile: true, ByBundle: true, ToPlatform: false}},
		{Red, nil, false, map[Way]bool{ByFile: false, ByBundle: false, ToPlatform: false}},
		{Red, nil, true, map[Way]bool{ByFile: false, ByBundle: true, ToPlatform: false}},
		{Green, []string{"Orcon"}, false, map[Way]bool{ByFile: false, ByBundle: false, ToPlatform: false}},
		{Green, []string{"Orcon"}, true, map[Way]bool{ByFile: true, ByBundle: true, ToPlatform: true}},
		{Green, []string{"handle with care"}, false, map[Way]bool{ByFile: true, ByBundle: true, ToPlatform: true}},
	} {
		for way, want := range c.permits {
			if err := (Handling{TLP: c.tlp, Caveats: c.caveats}).Permits(way, c.own); (err == nil) != want {
				t.Errorf("%s %v, own %v, by %s: %v", c.tlp, c.caveats, c.own, way, err)
			}
		}
	}
}
