//! Sampling rate, and sizes of frames and columns.

/// Sampling rate of all features, in hertz.
pub const RATE: u32 = 22_050;

/// Samples from one frame to the next: 43.07 frames per second.
pub const HOP: usize = 512;

/// Samples of a frame.
pub const N_FFT: usize = 2048;

/// Mel-frequency cepstral coefficients.
pub const N_MFCC: usize = 20;

/// Pitch classes.
pub const N_CHROMA: usize = 12;

/// Number of columns.
pub const N_COLUMNS: usize = 1 + N_MFCC + N_CHROMA;
