package vics

import "testing"

func TestContexts(t *testing.T) {
	const v1, v2 = "http://github.com/ICMEC/ProjectVic/DataModels/", "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/"
	for _, c := range []struct {
		name, text, meaning string
		cases               bool
	}{
		{"odata.metadata", v1 + "1.2.xml#Media", "1.2", false},
		{"odata.metadata", v1 + "1.3.xml#Media", "1.3", false},
		{"odata.metadata", v1 + "1.3.xml#Cases", "1.3", true},
		{"@odata.context", v2 + "2.0.xml/Default/$metadata#Media", "default", false},
		{"@odata.context", v2 + "2.0.xml/US/$metadata#Cases", "us", true},
		{"@odata.context", v2 + "2.0.xml/UK/$metadata#Media", "uk", false},
		{"@odata.context", v2 + "2.0.xml/$metadata#Media", "default", false},
		{"@odata.context", v2 + "1.3.xml#Media", "", false},
		{"odata.metadata", v2 + "2.0.xml/US/$metadata#Media", "", false},
		{"odata.metadata", v1 + "1.3.xml#Exifs", "", false},
		{"odata.metadata", v1 + "1.3.xml", "", false},
		{"odata.metadata", "1.3.xml#Media", "", false},
		{"@odata.context", v2 + "2.0.xml/a b/$metadata#Media", "", false},
	} {
		got, ok := parseContext(c.name, c.text)
		if ok != (c.meaning != "") || (ok && got != context{c.meaning, c.cases}) {
			t.Errorf("%s: %v %v", c.text, got, ok)
		}
	}
}
