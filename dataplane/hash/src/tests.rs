//! Tests of the backends against one another and of the hub against the backends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use glint_image::limits::HASH_PIECES_QUEUED_MAX;

use ::md5::Digest as _;

use super::chains::Running;
use super::engine::Lane;
use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A fixed sequence (splitmix64), so that a failure can be had again.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// By the engine, the message cut into these pieces.
fn digests(engine: Engine, pieces: &[&[u8]]) -> Digests {
    let mut running = Running::new();
    for piece in pieces {
        let blocks = running.take(engine, piece);
        engine.compress(&mut running.chains, blocks);
    }
    running.finish(engine)
}

/// By other implementations: MD5 of the md-5 crate, SHA-512 of aws-lc.
fn expected(message: &[u8]) -> Digests {
    let sha512 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, message);
    Digests {
        md5: ::md5::Md5::digest(message).into(),
        sha512: sha512.as_ref().try_into().expect("SHA-512 has 64 bytes"),
    }
}

/// A message cut at random: many small pieces, so that cuts fall on all sides of block ends, and
/// some large ones.
fn cut<'m>(numbers: &mut Numbers, message: &'m [u8]) -> Vec<&'m [u8]> {
    let mut pieces = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let most = if numbers.below(4) == 0 { 9000 } else { 130 };
        let (piece, behind) = rest.split_at(numbers.below(most).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

#[test]
fn md5_agrees_with_its_specification() {
    // RFC 1321, appendix A.5.
    let check = |text: &str, expected: &str| {
        for engine in Engine::available() {
            let found = digests(engine, &[text.as_bytes()]).md5;
            assert_eq!(hex(&found), expected, "{engine:?} of {text:?}");
        }
    };
    check("", "d41d8cd98f00b204e9800998ecf8427e");
    check("a", "0cc175b9c0f1b6a831c399e269772661");
    check("abc", "900150983cd24fb0d6963f7d28e17f72");
    check("message digest", "f96b697d7cb7938d525a2f31aaf161d0");
    check("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b");
    check(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        "d174ab98d277d9f5a5611c2c9f419d9f",
    );
    check(&"1234567890".repeat(8), "57edf4a22be3c955ac49da2e2107b67a");
}

#[test]
fn sha512_agrees_with_its_specification() {
    // FIPS 180-4 examples, and the digest of nothing.
    let check = |text: &str, expected: &str| {
        for engine in Engine::available() {
            let found = digests(engine, &[text.as_bytes()]).sha512;
            assert_eq!(hex(&found), expected, "{engine:?} of {text:?}");
        }
    };
    check(
        "",
        "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
         47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    );
    check(
        "abc",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    );
    check(
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn\
         hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018\
         501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
    );
}

#[test]
fn every_length_around_blocks_has_one_digest() {
    let mut numbers = Numbers(1);
    for len in 0..=600 {
        let message = numbers.bytes(len);
        for engine in Engine::available() {
            assert_eq!(digests(engine, &[&message]), expected(&message), "{engine:?}, {len}");
        }
    }
}

#[test]
fn cuts_do_not_show_in_the_digests() {
    let check = |seed: u64| {
        let mut numbers = Numbers(seed);
        let len = numbers.below(40_000);
        let message = numbers.bytes(len);
        let pieces = cut(&mut numbers, &message);
        for engine in Engine::available() {
            assert_eq!(digests(engine, &pieces), expected(&message), "{engine:?}, seed {seed}");
        }
    };
    (0..200).for_each(check);
}

/// Streams of all lengths side by side, from one to as many as there are lanes.
fn check_lanes(seed: u64) {
    let mut numbers = Numbers(seed);
    let count = 1 + numbers.below(8);
    let messages: Vec<_> = (0..count)
        .map(|_| {
            let most = [300, 2_000, 20_000][numbers.below(3)];
            let len = numbers.below(most);
            numbers.bytes(len)
        })
        .collect();
    for engine in Engine::available() {
        let mut running: Vec<_> = messages.iter().map(|_| Running::new()).collect();
        let mut lanes: Vec<_> = running
            .iter_mut()
            .zip(&messages)
            .map(|(running, message)| {
                let blocks = running.take(engine, message);
                Lane { chains: &mut running.chains, blocks }
            })
            .collect();
        while !lanes.is_empty() {
            for group in lanes.chunks_mut(engine.lanes()) {
                engine.advance(group);
            }
            lanes.retain(|lane| !lane.blocks.is_empty());
        }
        drop(lanes);
        for (running, message) in running.into_iter().zip(&messages) {
            assert_eq!(running.finish(engine), expected(message), "{engine:?}, seed {seed}");
        }
    }
}

/// A million messages: `GLINT_DIGEST_ROUNDS=250000 cargo test --release -p dataplane-hash`.
#[test]
fn neighbours_do_not_show_in_the_digests() {
    let rounds = std::env::var("GLINT_DIGEST_ROUNDS").ok();
    let rounds = rounds.map_or(2_000, |text| text.parse().expect("a number of rounds"));
    (0..rounds).for_each(check_lanes);
}

#[test]
fn the_calibration_names_the_fastest_engine_it_has_measured() {
    let found = calibrate();
    let chosen = found.speeds.iter().find(|(engine, _)| *engine == found.engine);
    let best = found.speeds.iter().map(|(_, speed)| *speed).max();
    assert_eq!(chosen.map(|(_, speed)| *speed), best);
    assert!(best > Some(0));
    assert_eq!(found.speeds.len(), Engine::available().len());
}

/// A piece that counts itself.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl Counted {
    fn new(bytes: &[u8], alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(bytes.to_vec(), Arc::clone(alive))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

#[test]
fn the_hub_computes_what_the_backends_do() {
    let check = |engine: Engine, threads: usize, streams: u64| {
        let hub = Hub::start(threads, engine).expect("threads");
        let alive = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..streams)
            .map(|seed| {
                let (hub, alive) = (hub.clone(), Arc::clone(&alive));
                std::thread::spawn(move || {
                    let mut numbers = Numbers(seed);
                    let len = numbers.below(300_000);
                    let bytes = numbers.bytes(len);
                    let mut stream = hub.stream();
                    let digests = block_on(async {
                        for piece in bytes.chunks(1 + numbers.below(20_000)) {
                            stream.push(Counted::new(piece, &alive)).await;
                        }
                        stream.finish().await
                    });
                    assert_eq!(digests, expected(&bytes), "{engine:?}, seed {seed}");
                })
            })
            .collect();
        for task in tasks {
            task.join().expect("the digests are right");
        }
        assert_eq!(alive.load(Ordering::SeqCst), 0, "every piece was released");
    };
    for engine in Engine::available() {
        check(engine, 1, 1);
        check(engine, 2, 1);
        check(engine, 1, 12);
        check(engine, 3, 12);
    }
}

#[test]
fn nothing_has_a_digest_too() {
    let hub = Hub::start(2, Engine::PORTABLE).expect("threads");
    let digests = block_on(hub.stream().finish());
    assert_eq!(digests, expected(&[]));
}

/// A piece that says when a worker begins with it and holds the worker until the gate opens.
struct Gated {
    begun: mpsc::Sender<()>,
    gate: Mutex<mpsc::Receiver<()>>,
    alive: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Gated {
    fn as_ref(&self) -> &[u8] {
        let _ = self.begun.send(());
        let _ = self.gate.lock().expect("lock").recv();
        b"held"
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_full_stream_pushes_back_and_a_dropped_one_lets_go() {
    let hub = Hub::start(1, Engine::PORTABLE).expect("threads");
    let alive = Arc::new(AtomicUsize::new(0));
    let mut stream = hub.stream();
    let (open, gate) = mpsc::channel();
    alive.fetch_add(1, Ordering::SeqCst);
    let (begun, began) = mpsc::channel();
    let held = Gated { begun, gate: Mutex::new(gate), alive: Arc::clone(&alive) };
    block_on(async {
        stream.push(held).await;
        for _ in 1..HASH_PIECES_QUEUED_MAX {
            stream.push(Counted::new(b"queued", &alive)).await;
        }
    });
    assert_eq!((stream.room(), alive.load(Ordering::SeqCst)), (0, HASH_PIECES_QUEUED_MAX));
    {
        let mut one_more = Box::pin(stream.push(Counted::new(b"one more", &alive)));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(one_more.as_mut().poll(&mut context).is_pending(), "the stream is full");
    }
    assert_eq!(alive.load(Ordering::SeqCst), HASH_PIECES_QUEUED_MAX, "it was not added");
    began.recv().expect("a worker begins");
    drop(stream);
    // What no worker has begun is released at once; the held piece when its worker is done with it.
    assert_eq!(alive.load(Ordering::SeqCst), 1);
    drop(open);
    // The one worker is free again only after that, so the next stream's answer proves it.
    let digests = block_on(hub.stream().finish());
    assert_eq!(hex(&digests.md5), "d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}
