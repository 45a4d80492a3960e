// Package vics reads and writes hash sets of the Video Image Classification Standard (Project VIC), 1.2 to 2.0.
//
// A file is one JSON object: first the metadata context, which names version, nation and kind, then "value": an array
// of Media objects, or of Case objects that hold such arrays. Files reach gigabytes; the reader holds one record at a
// time. It keeps fingerprints, size, category with its context, series and whether the victim is identified;
// thumbnails, names, paths, Exif data, comments, tags and contacts are thrown away unread. The writer has no way to
// write them. What a category number means depends on the context, so it becomes a classification of the scheme
// "vics" with that context, such as vics/us.
package vics
