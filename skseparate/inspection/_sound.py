"""MP3 files that grow block by block."""

import struct

import lameenc
import numpy as np
import soxr

# Rates of MPEG-1 in Hz: at lower ones a frame would be too short for the header below.
RATES = (32000, 44100, 48000)
KBITS = {1: 80, 2: 128}  # a second, by channels
QUALITY = 5  # LAME's measure of its care: 2 takes three times as long for the same bit rate, libsndfile longer still
FRAME_LENGTH, ENCODER_DELAY = 1152, 576  # samples
SIDE_BYTES = {1: 17, 2: 32}  # of a frame, after the 4 bytes it begins with


class Mp3Writer:
    """Write one MP3 file, in blocks.

    The bit rate is constant: browsers find a time in such a file by its bytes, so seeks are exact, and as exact in
    all files of one recording.

    Parameters
    ----------
    path : str or path
        Where to write.
    sample_rate : int
        Of the blocks, in Hz. One that is not in `RATES` is resampled to the next one that is.
    n_channels : {1, 2}
        Of the blocks.
    """

    def __init__(self, path, sample_rate, n_channels):
        rate = next((rate for rate in RATES if rate >= sample_rate), RATES[-1])
        self._resampler = (
            None if rate == sample_rate else soxr.ResampleStream(sample_rate, rate, n_channels, dtype="float32")
        )
        self._rate, self._n_channels, self._n_samples = rate, n_channels, 0
        self._encoder = _encoder(rate, n_channels)
        # of a frame without a padding byte
        self._header_length = 144000 * KBITS[n_channels] // rate
        self._file = open(path, "wb")  # noqa: SIM115 - closed by close
        self._file.write(bytes(self._header_length))
        self._start = b""

    def write(self, block):
        """Append ``(n_channels, n_block)``."""
        samples = np.ascontiguousarray(block.T, np.float32)
        self._encode(samples if self._resampler is None else self._resampler.resample_chunk(samples))

    def close(self):
        """Write what is left and the header, and close the file."""
        if self._file.closed:
            return
        with self._file:
            if self._resampler is not None:
                self._encode(self._resampler.resample_chunk(np.zeros((0, self._n_channels), np.float32), last=True))
            self._append(self._encoder.flush() if self._n_samples else b"")
            n_bytes = self._file.tell()
            self._file.seek(0)
            self._file.write(self._header(n_bytes))

    def _encode(self, samples):
        if len(samples):
            self._n_samples += len(samples)
            self._append(self._encoder.encode(np.rint(samples.clip(-1, 1) * 32767).astype(np.int16)))

    def _append(self, encoded):
        self._start = self._start or bytes(encoded[:4])
        self._file.write(encoded)

    def _header(self, n_bytes):
        """A frame of silence that says how long the file is, and how much silence to cut off at both ends [1]_.

        References
        ----------
        .. [1] "MP3 Info Tag", revision 1: Xing's header, extended by LAME.
        """
        n_frames = round((n_bytes - self._header_length) * 8 / (KBITS[self._n_channels] * 1000) * self._rate / 1152)
        padding = n_frames * FRAME_LENGTH - ENCODER_DELAY - self._n_samples
        delays = (ENCODER_DELAY << 12 | min(max(padding, 0), 4095)).to_bytes(3, "big")
        says = struct.pack(">4sLLL9s12x3s", b"Info", 3, n_frames, n_bytes, b"LAME3.100", delays)
        start = bytes(byte & mask for byte, mask in zip(self._start, (255, 255, ~2, 255), strict=False))
        return (start + bytes(SIDE_BYTES[self._n_channels]) + says).ljust(self._header_length, b"\0")


def _encoder(rate, n_channels):
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(rate)
    encoder.set_out_sample_rate(rate)
    encoder.set_channels(n_channels)
    encoder.set_bit_rate(KBITS[n_channels])
    encoder.set_quality(QUALITY)
    return encoder
