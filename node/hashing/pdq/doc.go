// Package pdq computes PDQ, the perceptual hash of still images published by Facebook (hashing.pdf in
// facebook/ThreatExchange): the same bits as the reference for the same pixels, on every machine. It takes rows of
// luminance and knows nothing of files, formats, threads or clocks, so that it also runs where there are none, such as
// in a browser.
//
// # The algorithm
//
//  1. Luminance: 0.299 R + 0.587 G + 0.114 B of each pixel, in single precision.
//  2. Jarosz filter: two passes of a box filter along the rows and then along the columns, approximating a tent. The
//     windows are a 128th of the width and of the height, rounded up.
//  3. Decimation to 64 by 64, at the centres of 64 by 64 equal cells. An image of that very size goes unfiltered.
//  4. The quality, 0 to 100, counts how much of the 64 by 64 image is gradient, in steps that are coarse on purpose.
//  5. Discrete cosine transform; of its coefficients the 16 by 16 of lowest frequency, without the constant ones.
//  6. Bit 16 i + j of the hash says that coefficient (i, j) is above the lower median of the 256. A hash is written with
//     bit 255 first.
//
// The eight hashes of an image turned and mirrored follow from the coefficients by transposing them and changing signs;
// they are near the hashes of the turned image, not always equal to them.
//
// # Exactness
//
// Sums are kept and rounded in the reference's order, and products are rounded before they are added, since a fused
// multiply-add, which Go uses on some processors, has other low bits. What differs is the order of work: rows stream
// through, columns are summed side by side, and of the second filter only what decimation looks at is computed. Instead
// of two copies of the image a hasher holds a 128th of one.
package pdq
