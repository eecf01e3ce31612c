"""IP addresses with ports in text, and which addresses belong together: to one owner, to one part of the Internet."""

import ipaddress

from primitives.reasons import Reason, Refused

PORT_MAX = 0xFFFF
HOST_TEXT_MAX = 64
"""Longer than any IPv6 address."""
NEAR_BITS = {4: 24, 6: 64}
"""What one customer of a provider easily has; limits for an address count for all of it."""
REGION_BITS = {4: 16, 6: 32}
"""What one provider has; the address book spreads its choice over regions."""
OWN_MACHINE = ("127.0.0.1", "::1")
"""Where the nodes of a test network live; other loopback addresses are treated like any stranger's."""


def parse_host_port(text: str) -> tuple[str, int]:
    """Split `1.2.3.4:5` or `[::1]:5`; raises Refused BAD_ADDRESS."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:  # without brackets nobody can tell the port from the last group
        raise Refused(Reason.BAD_ADDRESS, seen=text[:HOST_TEXT_MAX], wanted="IPv4:port or [IPv6]:port")
    if not port.isdecimal() or not port.isascii() or len(port) > len(str(PORT_MAX)) or int(port) > PORT_MAX:
        raise Refused(Reason.BAD_ADDRESS, seen=text[:HOST_TEXT_MAX], wanted="IPv4:port or [IPv6]:port")
    return parse_host(host), int(port)


def parse_host(text: str) -> str:
    """Return an IP address in its one way of writing; raises Refused BAD_ADDRESS."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise Refused(Reason.BAD_ADDRESS, seen=text[:HOST_TEXT_MAX], wanted="an IP address") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise Refused(Reason.BAD_ADDRESS, seen=text[:HOST_TEXT_MAX], wanted="an address without a zone")
        if address.ipv4_mapped is not None:  # one machine, one name: else a ban of the one form spares the other
            return str(address.ipv4_mapped)
    return str(address)


def host_port_text(host: str, port: int) -> str:
    """Return what `parse_host_port` reads."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def near_of(host: str) -> str:
    """Return the network of /24 (IPv4) or /64 (IPv6) of an address; what is no address stands for itself."""
    return _network(host, NEAR_BITS)


def region_of(host: str) -> str:
    """Return the network of /16 (IPv4) or /32 (IPv6) of an address; what is no address stands for itself."""
    return _network(host, REGION_BITS)


def ban_name_of(host: str) -> str:
    """Return what is banned with an address: IPv4 alone, IPv6 with its /64, of which one machine has all."""
    return _network(host, {4: 32, 6: 64})


def _network(host: str, bits: dict[int, int]) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(ipaddress.ip_network((address, bits[address.version]), strict=False))


def is_reachable(host: str, *, from_loopback: bool) -> bool:
    """Tell whether it makes sense to dial an address that a stranger told us.

    Only public ones: a stranger may not have us knock at doors of our own network. On a test network loopback too.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (address.is_loopback and from_loopback) or (address.is_global and not address.is_multicast)
