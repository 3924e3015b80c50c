//! The order in which the rounds of SHA-512 and the steps of MD5 stand in one stream of
//! instructions.
//!
//! MD5 is a chain of dependent steps that leaves most of the processor idle; SHA-512 has enough
//! independent work to fill it. Woven together the two take little longer than SHA-512 alone. For
//! each 128 bytes there are 80 rounds and 128 steps: five and eight, sixteen times.

/// Calls one macro with 0 to 79 and the other with 0 to 127, woven. Each is given with the names of
/// the variables it works on.
macro_rules! weave {
    ($($with:tt)*) => {
        $crate::x86::weave::group!(0, $($with)*);
        $crate::x86::weave::group!(1, $($with)*);
        $crate::x86::weave::group!(2, $($with)*);
        $crate::x86::weave::group!(3, $($with)*);
        $crate::x86::weave::group!(4, $($with)*);
        $crate::x86::weave::group!(5, $($with)*);
        $crate::x86::weave::group!(6, $($with)*);
        $crate::x86::weave::group!(7, $($with)*);
        $crate::x86::weave::group!(8, $($with)*);
        $crate::x86::weave::group!(9, $($with)*);
        $crate::x86::weave::group!(10, $($with)*);
        $crate::x86::weave::group!(11, $($with)*);
        $crate::x86::weave::group!(12, $($with)*);
        $crate::x86::weave::group!(13, $($with)*);
        $crate::x86::weave::group!(14, $($with)*);
        $crate::x86::weave::group!(15, $($with)*);
    };
}

macro_rules! group {
    ($group:literal, $round:ident($($r:ident),*), $step:ident($($s:ident),*)) => {
        $round!(5 * $group, $($r),*);
        $step!(8 * $group, $($s),*);
        $step!(8 * $group + 1, $($s),*);
        $round!(5 * $group + 1, $($r),*);
        $step!(8 * $group + 2, $($s),*);
        $step!(8 * $group + 3, $($s),*);
        $round!(5 * $group + 2, $($r),*);
        $step!(8 * $group + 4, $($s),*);
        $round!(5 * $group + 3, $($r),*);
        $step!(8 * $group + 5, $($s),*);
        $step!(8 * $group + 6, $($s),*);
        $round!(5 * $group + 4, $($r),*);
        $step!(8 * $group + 7, $($s),*);
    };
}

/// The word of MD5's state that the newest step before a round has set.
pub(crate) const fn newest_md5_word(round: usize) -> usize {
    (128 - round * 8 / 5) % 4
}

pub(crate) use {group, weave};
