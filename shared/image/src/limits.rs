//! Every bound of the service: how much, why, and what happens when it is reached.

/// Longest request id taken from a caller, in bytes. Glance: `max_request_id_length`, default 64.
/// Longer ones are not used: the request gets an id of our own.
pub const REQUEST_ID_BYTES_MAX: usize = 64;

/// Largest request head (request line and headers), in bytes. A token of Keystone's fernet kind is
/// under 1 KiB, a service catalogue in a header rarely over 16 KiB; uWSGI's usual `buffer-size` for
/// Glance is 64 KiB. Larger: 431 and close.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Most headers in one request. Real clients send under 20. More: 431 and close.
pub const HEAD_HEADERS_MAX: usize = 128;

/// Largest body of a request that the control plane answers, in bytes. 128 properties of 64 KiB
/// text fit. Larger: 413.
pub const RELAY_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Largest payload of one frame on the link, in bytes. Bodies travel in pieces of
/// [`RELAY_PIECE_BYTES`]. Larger: the session ends.
pub const FRAME_PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Size of the pieces in which bodies cross the link, in bytes.
pub const RELAY_PIECE_BYTES: usize = 256 * 1024;

/// Most asks under way at once from one data plane. A further one waits; a wait over its deadline
/// is 503.
pub const ASKS_IN_FLIGHT_MAX: usize = 256;

/// Most image records one data plane holds (about 0.5 KiB each). The oldest unused makes room.
pub const VIEW_IMAGES_MAX: usize = 65_536;

/// Most pushes sent to one data plane and not yet confirmed. Past it further records wait to be
/// loaded; a push that stays unconfirmed for a whole lease makes the session start over.
pub const PUSHES_UNCONFIRMED_MAX: usize = 4_096;

/// Most bytes received on one link connection and not yet read, over all its streams. quinn's
/// default is unlimited. A peer that sends more is held back.
pub const LINK_RECEIVE_WINDOW_BYTES: usize = 16 * 1024 * 1024;

/// Most bytes received on one stream of the link and not yet read: one largest frame. A peer that
/// sends more is held back.
pub const LINK_STREAM_WINDOW_BYTES: usize = 1024 * 1024;

/// Most link connections whose handshake has not begun to be served (quinn: 65,536). Further ones
/// are refused; nodes try again.
pub const LINK_INCOMING_MAX: usize = 64;

/// Most bytes kept for one such connection (quinn: 10 MiB). More is dropped and sent again by the
/// peer.
pub const LINK_INCOMING_BUFFER_BYTES: u64 = 256 * 1024;

/// Most bytes kept for all such connections (quinn: 100 MiB). More is dropped and sent again by the
/// peers.
pub const LINK_INCOMING_BUFFERS_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Most data planes connected to one control plane. A fleet larger than this runs several control
/// planes. Further nodes are refused at the hello and try again.
pub const LINK_SESSIONS_MAX: usize = 1_024;

/// Most requests waiting for one session's task. A further ask waits, within its own deadline.
pub const SESSION_INBOX_MAX: usize = 1_024;

/// Most frames of a node read and not yet applied by its session's task. QUIC's flow control holds
/// the node back beyond.
pub const SESSION_FRAMES_MAX: usize = 64;

/// Most outbox rows read at once. More are read in the next turn, at once.
pub const CHANGES_BATCH_MAX: usize = 256;

/// Most batches of outbox rows a session may lag behind the outbox reader. One that lags further
/// starts over (resync).
pub const CHANGES_BATCHES_MAX: usize = 64;

/// Changes made by others that one transaction of the control plane takes over; the rest follows at
/// once.
pub const FOREIGN_CHANGES_BATCH_MAX: u32 = 500;

/// Most relayed requests being answered at once, over all nodes. A further one waits within its
/// deadline, then it is 503.
pub const RELAYS_IN_FLIGHT_MAX: usize = 512;

/// Most bytes of relayed request bodies held at once, over all nodes. A body that would exceed it
/// is answered 503.
pub const RELAY_BODIES_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Largest configuration file read, in bytes. Glance's own sample, every option commented, is 260
/// KiB. Larger: no start.
pub const CONFIG_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Most configuration files of one process, those of `--config-dir` included. More: no start.
pub const CONFIG_FILES_MAX: usize = 256;

/// Longest value once its `$references` are filled in, in bytes. Longer: the value is refused.
pub const CONFIG_VALUE_BYTES_MAX: usize = 64 * 1024;

/// Most `$references` followed for one value, which also ends circles and bounds the stack they
/// take. More: the value is refused.
pub const CONFIG_REFERENCES_MAX: usize = 256;

/// Size of one buffer of the upload arena, in bytes. Between 256 KiB and 1 MiB the cost is flat:
/// smaller means more hand-offs, larger means less overlap of receiving, hashing and writing. A
/// buffer never grows; the next one is taken.
pub const WRITE_BUFFER_BYTES: usize = 512 * 1024;

/// Alignment of direct IO in memory and in the file, in bytes: the largest logical block of any
/// disk in use. A file system that wants more is written through the page cache.
pub const DIRECT_ALIGN_BYTES: usize = 4096;

/// Capacity asked of a pipe that carries cold windows, in bytes: one window. A kernel that grants
/// less moves less at once.
pub const PIPE_BYTES: usize = 1024 * 1024;

/// Most pipes of one shard. They pin up to [`PIPE_BYTES`] of page cache each. A further cold window
/// waits for a free one.
pub const PIPES_PER_SHARD_MAX: usize = 64;

/// Most transfers under way in one bulk engine: several per disk queue, few enough for a small
/// ring. A further one waits.
pub const BULK_OPS_IN_FLIGHT_MAX: u32 = 256;

/// Most metadata calls (open, link, unlink, …) waiting for or running on the small pool. A further
/// one waits.
pub const BULK_CALLS_IN_FLIGHT_MAX: usize = 256;

/// Threads of the small pool. Metadata calls are short; where io_uring is denied the same pool also
/// moves the bytes, and four keep a disk's queue filled. Jobs past that wait their turn.
pub const BULK_POOL_THREADS: usize = 4;

/// Most kernel workers of one ring, of each kind. Splices of cold files and syncs run there;
/// unbounded, one per request would start. Requests past that wait in the kernel.
pub const BULK_KERNEL_WORKERS_MAX: u32 = 4;

/// Most pieces of one stream waiting in the hash hub: enough to keep a worker busy while the next
/// piece arrives. A further `push` waits, which in turn stops the receiving.
pub const HASH_PIECES_QUEUED_MAX: usize = 4;

/// Most records in one piece of a `Hold` list (about 45 bytes each: well inside one frame). More go
/// in further pieces.
pub const HOLD_PIECE_IMAGES: usize = 8_192;

/// Most pings sent and not yet answered. The oldest is forgotten: an answer that late would grant
/// next to nothing.
pub const PINGS_UNANSWERED_MAX: usize = 8;

/// Most records one session has read from the database at once. Further ones wait their turn.
pub const RECORD_LOADS_MAX: usize = 32;

/// Most reclaim orders one session has open. Further ones are refused and offered again later.
pub const RECLAIMS_OPEN_MAX: usize = 1_024;

/// Longest lease a data plane takes, in milliseconds. A longer one is cut to this: a revocation may
/// have to wait for it.
pub const LEASE_MS_MAX: u64 = 10 * 60 * 1_000;

/// Largest response that the control plane gives for a relayed request, in bytes. A listing of
/// 1,000 images with rich properties stays under it. Larger: 503, and the client asks for a smaller
/// page.
pub const RELAY_RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most connections of one shard. A connection that waits costs about 2 KiB. A further one is
/// answered 503 and closed.
pub const CONNECTIONS_PER_SHARD_MAX: usize = 16_384;

/// Most bytes of relayed request bodies that one shard holds at once. A further body is answered
/// 503.
pub const RELAY_BODIES_PER_SHARD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Most messages from the link to one shard that wait to be applied. The link waits for the shard,
/// which in turn holds back the control plane's pushes.
pub const SHARD_MAILBOX_MAX: usize = 1_024;

/// Most frames from a data plane to the control plane that wait to be sent. Past it the session is
/// cut: the peer is not reading.
pub const LINK_FRAMES_QUEUED_MAX: usize = 256;

/// Longest size line of a chunked body, extensions included, in bytes. Extensions are read over,
/// never acted upon, and real clients send none. Longer: 400 and close.
pub const CHUNK_LINE_BYTES_MAX: usize = 256;

/// Most bytes of trailers behind a chunked body. Trailers are dropped. More: 400 and close.
pub const TRAILER_BYTES_MAX: usize = 4 * 1024;

/// How long a request head may take from its first byte, in milliseconds. Longer: 408 and close.
pub const HEAD_MS_MAX: u64 = 10_000;

/// How long a connection may stay open between requests, in milliseconds; above the pool time of
/// the usual load balancers' back ends. Longer: closed without a word.
pub const IDLE_MS_MAX: u64 = 75_000;

/// The span over which the rate of a request body is measured, in milliseconds.
pub const BODY_SPAN_MS: u64 = 30_000;

/// Fewest bytes of a body in one such span: about 1 KiB/s, a tenth of the slowest modem a person
/// would wait for. Fewer: 408, the upload is undone.
pub const BODY_SPAN_BYTES_MIN: u64 = 32 * 1024;

/// How long one window of a download may take to be taken by the client, in milliseconds: about 9
/// KiB/s. Longer: the connection is cut.
pub const SEND_WINDOW_MS_MAX: u64 = 120_000;

/// Bytes of a download sent between two looks at the page cache. Larger windows hold up the shard's
/// other connections.
pub const WINDOW_BYTES: u64 = 1024 * 1024;

/// Windows one connection may send before the others of its shard have their turn.
pub const WINDOWS_PER_TURN: u32 = 2;

/// Write buffers one upload may hold at once, being filled, hashed or written. Past it the socket
/// is left alone, which holds the client back.
pub const WRITE_BUFFERS_PER_UPLOAD: u32 = 4;

/// Most bytes of an unwanted body read and dropped so that a client which writes before it reads
/// sees its answer. More: cut.
pub const DRAIN_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How long such a body is read for, in milliseconds. Longer: cut.
pub const DRAIN_MS_MAX: u64 = 10_000;

/// How often one request asks about an image that its view does not keep (evicted between answer
/// and look). More: 503.
pub const RESOLVE_ATTEMPTS_MAX: u32 = 3;

/// How long a request waits for its view to reach a push, in milliseconds. Longer: 503, or for a
/// change already made, the answer.
pub const MARK_WAIT_MS_MAX: u64 = 10_000;

/// How long the client of an upload waits for the outcome of a commit or abort whose answer does
/// not come, in milliseconds. Longer: 503 for the client, and the upload goes on asking without it.
pub const OUTCOME_CLIENT_MS_MAX: u64 = 30_000;

/// First and longest pause between two asks of the same thing, in milliseconds; each pause is twice
/// the last.
pub const RETRY_MS: (u64, u64) = (50, 5_000);

/// Past link sessions a view remembers by number, to tell an old mark from one of a session it has
/// not heard of yet. An older mark is waited for in vain, up to [`MARK_WAIT_MS_MAX`].
pub const SESSIONS_REMEMBERED: usize = 16;

/// Most connections that read the database at once. A listing takes about a millisecond of one;
/// more than cores of a control plane do not help. A further reader waits for [`DB_WAIT_MS_MAX`].
pub const DB_READERS_MAX: u32 = 8;

/// Most connections of a control plane that write to a database server. One is at work, as the
/// write lock has one holder; the next waits for the lock, further ones here. SQLite has one.
pub const DB_WRITERS_MAX: u32 = 2;

/// Most connections of a control plane that read from a database server, whatever `max_pool_size`
/// and `max_overflow` say: servers take a few hundred from everybody together.
pub const DB_CONNECTIONS_MAX: u32 = 100;

/// How long a database server keeps the write lock of a control plane it has not heard of, in
/// seconds: as long does every other one wait where that one vanished within a transaction.
pub const DB_ABANDONED_S: u64 = 30;

/// Longest wait for a connection to the database or for another writer's lock, in milliseconds.
/// Past it: 503.
pub const DB_WAIT_MS_MAX: u64 = 5_000;

/// Most attempts at one transaction that loses to another writer. Glance: 50, half a second apart.
/// Past it: 503.
pub const DB_ATTEMPTS_MAX: u32 = 6;

/// Wait before the second attempt at a transaction, in milliseconds; each further wait is longer by
/// as much.
pub const DB_RETRY_WAIT_MS: u64 = 20;

/// Most images in one page of a listing, whatever `api_limit_max` says: their ids are parameters of
/// one statement, of which SQLite takes 32,766. A larger page is cut to this.
pub const DB_LIST_IMAGES_MAX: u32 = 10_000;

/// Buffers of the upload arena of one data plane ([`WRITE_BUFFER_BYTES`] each; memory only once
/// touched). An upload that finds none free leaves its socket alone until one is.
pub const UPLOAD_BUFFERS_MAX: usize = 512;

/// Hints about used images that wait for the link. A further one is lost.
pub const USED_HINTS_MAX: usize = 256;

/// Most shards of one data plane: more than cores of any machine today. More are not started.
pub const SHARDS_MAX: usize = 1_024;

/// Most bytes of members, and of locations, in one record on the link (a frame holds 1 MiB). Those
/// that do not fit are left out: they can refuse a download, never admit one.
pub const RECORD_TEXT_BYTES_MAX: usize = 256 * 1024;

/// How long a data plane waits for the answer to one question, in milliseconds: longer than a
/// delete waits for a lost node's lease to run out. Longer: 503.
pub const ASK_MS_MAX: u64 = 60_000;

/// Most uploads whose writers are looked at in one turn of the reaper. Later ones are looked at
/// when these are closed.
pub const REAPED_UPLOADS_MAX: u32 = 4_096;

/// Most orders to remove bytes that one data plane carries out at once. Further ones wait.
pub const RECLAIMS_AT_ONCE_MAX: usize = 8;

/// Largest value of a request that a schema error quotes, in bytes of text. The columns hold 255
/// characters, a property's value 64 KiB. Larger ones are named, not quoted.
pub const QUOTED_VALUE_BYTES_MAX: usize = 64 * 1024;

/// Most custom properties and tags one list is filtered by. Each joins a table; SQLite joins at
/// most 64, MySQL 61. More: 400.
pub const LIST_JOINS_MAX: usize = 50;

/// Most values in one `in:` filter of a list. Each is a parameter of the statement; SQLite takes
/// 32,766. More: 400.
pub const LIST_VALUES_MAX: usize = 1_000;

/// How often a change of an image is tried anew because another change came first. Each loser lost
/// to a winner, so many tries mean many clients changing one image. More: 503.
pub const UPDATE_ATTEMPTS_MAX: usize = 20;

/// How long a download waits for the first lease of a session that has just begun, in milliseconds.
/// Longer: 503.
pub const LEASE_WAIT_MS_MAX: u64 = 2_000;

/// Most rows written by one statement, which keeps it well under the 32,766 parameters SQLite
/// takes. More rows go into several statements of the same transaction.
pub const DB_ROWS_PER_STATEMENT_MAX: usize = 500;

/// Most properties, and as many objects, tags and resource types, in one namespace of metadata
/// definitions. The largest of Glance's own has about 50. They are shown all at once. More: 413.
pub const METADEF_PARTS_MAX: usize = 16_384;

/// Longest wait for the file system in a health check, in milliseconds: shorter than what load
/// balancers usually wait. Longer: the check answers 503.
pub const HEALTH_CHECK_MS_MAX: u64 = 2_000;

/// Most looks at files for health checks that the file system holds up at once. A further one waits
/// for [`HEALTH_CHECK_MS_MAX`].
pub const HEALTH_CHECKS_MAX: usize = 8;

/// Largest file of metadata definitions that `glance-manage db load_metadefs` reads, in bytes.
/// Glance's own are under 40 KiB. Larger: logged and passed over.
pub const METADEF_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Most tasks of one image in the answer that lists them; older ones are left out. Tasks are
/// forgotten two days after they end.
pub const IMAGE_TASKS_MAX: u32 = 1_000;

/// Most bytes of what one shard knows of callers; the callers themselves are shared by all shards.
/// A usual one takes 1 KiB, so there is room for tens of thousands. The least used makes room.
pub const CALLERS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Longest that what is known of a caller holds, in milliseconds: how long a revoked token may go
/// on serving. keystonemiddleware: `token_cache_time`, default 300 s. A longer time is cut to this.
pub const CALLER_MS_MAX: u64 = 300_000;

/// How often one request asks who its caller is, where the answer is not found (evicted, or
/// overtaken by a new policy). More: 503.
pub const IDENTIFY_ATTEMPTS_MAX: u32 = 3;

/// Most bytes of replies that one shard keeps to give again. The least used makes room.
pub const KEPT_REPLIES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Largest reply kept, in bytes. A larger one is asked for each time.
pub const KEPT_REPLY_BYTES_MAX: usize = 256 * 1024;

/// Longest that a reply is kept, in milliseconds, pushes or not: a bound for what a program beside
/// this one may have written to the database. Then it is asked for again.
pub const KEPT_REPLY_MS_MAX: u64 = 60_000;

/// How long a place elsewhere may take to say what lies there, redirects included. After it the
/// request is refused with 400.
pub const LOOK_MS_MAX: u64 = 10_000;

/// Most hops on the way to such a place (`glance_store`'s `MAX_REDIRECTS`). After them the request
/// is refused with 400.
pub const LOOK_REDIRECTS_MAX: usize = 5;

/// Most places that one request has looked at. One that needs more is refused with 413.
pub const LOOKS_PER_REQUEST_MAX: usize = 16;
