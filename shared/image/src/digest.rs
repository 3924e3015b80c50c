//! Digests of image bytes. They are computed in `dataplane/hash`; here they are only values.

use std::fmt;

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length of the digest in bytes.
            pub const LEN: usize = $len;

            /// Lower-case hexadecimal text, as Glance stores and shows it.
            #[must_use]
            pub fn to_hex(self) -> String {
                self.0.iter().map(|byte| format!("{byte:02x}")).collect()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }
    };
}

digest!(
    /// The MD5 of an image's bytes: its `checksum`.
    Md5, 16
);
digest!(
    /// The SHA-512 of an image's bytes: its `os_hash_value` under the default `hashing_algorithm`.
    Sha512, 64
);
