// Package interop tells which outside format a file has and opens it, so that an importer has one code path for all
// of them. It refuses media: Vigil takes fingerprints, never material. The formats themselves are one package each
// below; this one knows only how they begin.
package interop
