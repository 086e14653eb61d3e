"""WHIP clients that nobody here wrote, run as processes that publish a sound file and leave.

`python whip_clients.py URL WAV CERTIFICATE KEY TOKEN` is FFmpeg's WHIP muxer (libavformat 62, which PyAV brings along),
fed in real time.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import av

PACKET_SAMPLES = 960

WHIP_CLIENT = shutil.which("whip-client")
"""GStreamer's, by Meetecho: Debian's package simple-whip-client."""

STUB = """
void gupnp_simple_igd_add_port(void) {}
unsigned long gupnp_simple_igd_get_type(void) { return 0; }
void gupnp_simple_igd_remove_port_local(void) {}
void *gupnp_simple_igd_thread_new(void) { return 0; }
"""


def ffmpeg(url: str, wav: Path, folder: Path, token: str) -> list[str]:
    """The command that publishes `wav` with FFmpeg. The certificate that it makes itself with GnuTLS is not taken by
    OpenSSL (FFmpeg 8.1; mended since), so it is given one on P-256, as an operator would with -cert_file."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    make_key = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key)]
    subprocess.run(make_key, check=True, timeout=20)
    make = ["openssl", "req", "-new", "-x509", "-key", str(key), "-subj", "/CN=whip", "-days", "2"]
    subprocess.run([*make, "-out", str(certificate)], check=True, timeout=20)
    return [sys.executable, __file__, url, str(wav), str(certificate), str(key), token]


def whip_client(url: str, wav: Path, token: str) -> list[str]:
    """The command that publishes `wav` with GStreamer's client; it stays until it is interrupted."""
    pipeline = (
        f"filesrc location={wav} ! wavparse ! audioconvert ! audioresample ! audio/x-raw,channels=2,rate=48000 ! "
        "opusenc ! rtpopuspay pt=100 ssrc=1 ! queue ! application/x-rtp,media=audio,encoding-name=OPUS,payload=100"
    )
    return [WHIP_CLIENT or "whip-client", "-o", "-u", url, "-t", token, "-A", pipeline]


def whip_client_environment(folder: Path) -> dict[str, str]:
    """Debian 12's whip-client is linked with libsoup 2 and its libnice, by way of UPnP, with libsoup 3, and the two end
    a process that has both; UPnP is not used, so an empty library takes its place. Needs a C compiler."""
    source = folder / "no_upnp.c"
    source.write_text(STUB)
    name = "libgupnp-igd-1.0.so.4"
    build = ["cc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(folder / name), str(source)]
    subprocess.run(build, check=True, timeout=60)
    return {**os.environ, "LD_LIBRARY_PATH": str(folder), "GST_REGISTRY": str(folder / "registry")}


def _publish(url: str, wav: str, certificate: str, key: str, token: str) -> None:
    options = {"authorization": token, "cert_file": certificate, "key_file": key}
    with av.open(wav) as source, av.open(url, "w", format="whip", options=options) as out:
        stream = out.add_stream("libopus", rate=48_000, layout="stereo")
        stream.options = {"application": "voip", "frame_duration": "20"}
        resampler = av.AudioResampler("s16", "stereo", 48_000, PACKET_SAMPLES)
        begun, sent = 0.0, 0
        for decoded in source.decode(audio=0):
            for frame in resampler.resample(decoded):
                frame.pts = sent * PACKET_SAMPLES
                for packet in stream.encode(frame):
                    out.mux(packet)  # The first connects.
                begun = begun or time.monotonic()
                sent += 1
                time.sleep(max(0.0, begun + sent * PACKET_SAMPLES / 48_000 - time.monotonic()))


if __name__ == "__main__":
    _publish(*sys.argv[1:])
