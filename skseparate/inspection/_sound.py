"""MP3 files that grow block by block."""

import numpy as np
import soundfile
import soxr

# What MP3 can hold, in Hz.
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
# libsndfile's measure of compression, by channels: 80 and 128 kbit/s at 44.1 kHz.
COMPRESSION = {1: 0.85, 2: 0.65}
# At rates below 32 kHz, 64 kbit/s at the most: with fewer, a frame could not hold the header that says how much silence
# the encoder put first, and all would be heard late.
LOW_RATE_COMPRESSION = 0.6


class Mp3Writer:
    """Write one MP3 file, in blocks.

    The bit rate is constant: browsers find a time in such a file by its bytes, so seeks are exact, and as exact in
    all files of one recording.

    Parameters
    ----------
    path : str or path
        Where to write.
    sample_rate : int
        Of the blocks, in Hz. One that MP3 cannot hold is resampled to the next one that it can.
    n_channels : {1, 2}
        Of the blocks.

    Raises
    ------
    ValueError
        If this system's libsndfile writes no MP3.
    """

    def __init__(self, path, sample_rate, n_channels):
        if "MP3" not in soundfile.available_formats():
            raise ValueError("this system's libsndfile writes no MP3: install libsndfile 1.1 or later.")
        rate = next((rate for rate in RATES if rate >= sample_rate), RATES[-1])
        self._resampler = (
            None if rate == sample_rate else soxr.ResampleStream(sample_rate, rate, n_channels, dtype="float32")
        )
        self._n_channels = n_channels
        self._file = soundfile.SoundFile(
            path,
            "w",
            rate,
            n_channels,
            "MPEG_LAYER_III",
            format="MP3",
            bitrate_mode="CONSTANT",
            compression_level=COMPRESSION[n_channels] if rate >= 32000 else LOW_RATE_COMPRESSION,
        )

    def write(self, block):
        """Append ``(n_channels, n_block)``."""
        samples = np.ascontiguousarray(block.T, np.float32)
        self._file.write(samples if self._resampler is None else self._resampler.resample_chunk(samples))

    def close(self):
        """Write what is left, and close the file."""
        if not self._file.closed and self._resampler is not None:
            self._file.write(self._resampler.resample_chunk(np.zeros((0, self._n_channels), np.float32), last=True))
        self._file.close()
