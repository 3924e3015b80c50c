//! Ranges of client addresses, as Python's `ipaddress.ip_network` reads them.

use std::net::IpAddr;

/// `address`, `address/prefix` or `address/netmask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceRange {
    network: IpAddr,
    /// Leading bits that count; 0 to 32 or 128.
    prefix: u32,
}

/// Why a text is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceRangeError {
    /// Neither kind of address, or a prefix that is too long or no number.
    #[error("'{0}' does not appear to be an IPv4 or IPv6 network")]
    Form(String),
    /// Bits behind the prefix.
    #[error("{0} has host bits set")]
    HostBits(String),
}

// === impl SourceRange ===

impl std::str::FromStr for SourceRange {
    type Err = SourceRangeError;

    fn from_str(text: &str) -> Result<Self, SourceRangeError> {
        let form = || SourceRangeError::Form(text.to_owned());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let network: IpAddr = address.parse().map_err(|_| form())?;
        let longest = bits_of(network);
        let prefix = match prefix {
            None => longest,
            Some(prefix) => prefix_of(prefix, network).ok_or_else(form)?,
        };
        if left_of(network, prefix) != to_u128(network) {
            return Err(SourceRangeError::HostBits(text.to_owned()));
        }
        Ok(Self { network, prefix })
    }
}

impl SourceRange {
    /// Whether the address lies in the range; one of the other family never does.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.network.is_ipv4() == address.is_ipv4()
            && left_of(address, self.prefix) == to_u128(self.network)
    }
}

fn bits_of(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn to_u128(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address with all bits behind the prefix cleared.
fn left_of(address: IpAddr, prefix: u32) -> u128 {
    let behind = bits_of(address) - prefix;
    let bits = to_u128(address);
    bits.checked_shr(behind).and_then(|bits| bits.checked_shl(behind)).unwrap_or(0)
}

/// A number of bits, or for IPv4 a netmask or its complement.
fn prefix_of(text: &str, network: IpAddr) -> Option<u32> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|prefix| *prefix <= bits_of(network));
    }
    let (IpAddr::V4(_), Ok(IpAddr::V4(mask))) = (network, text.parse()) else { return None };
    let mask = mask.to_bits();
    let is_mask = |mask: u32| mask.leading_ones() + mask.trailing_zeros() >= 32;
    if is_mask(mask) {
        Some(mask.leading_ones())
    } else {
        is_mask(!mask).then(|| mask.leading_zeros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_the_addresses_python_finds_in_them() {
        let check = |range: &str, address: &str, expected: bool| {
            let range: SourceRange = range.parse().expect("a range");
            let address = address.parse().expect("an address");
            assert_eq!(range.contains(address), expected, "{range:?} {address}");
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/255.255.0.0", "10.0.9.9", true);
        check("10.0.0.0/255.255.0.0", "10.1.0.0", false);
        check("10.0.0.0/0.0.0.255", "10.0.0.7", true);
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "127.0.0.2", false);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "2001:db8::1", true);
        check("2001:db8::/32", "2001:db8:1::", true);
        check("2001:db8::/32", "2001:db9::", false);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let check = |text: &str, expected: &str| {
            let error = text.parse::<SourceRange>().expect_err("no range");
            assert_eq!(error.to_string(), expected);
        };
        let form = |text: &str| format!("'{text}' does not appear to be an IPv4 or IPv6 network");
        for text in ["", "x", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/-1"] {
            check(text, &form(text));
        }
        check("10.0.0.0/255.0.255.0", &form("10.0.0.0/255.0.255.0"));
        check("10.0.0.1/8", "10.0.0.1/8 has host bits set");
    }
}
