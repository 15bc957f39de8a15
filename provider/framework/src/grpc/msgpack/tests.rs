//! Round trips, samples of what core sends, hostile bytes.
