//! Data planes that may hold a lease, as every control plane on this database sees them.
//!
//! A control plane that waits with a restricting change must know of leases that another one
//! granted, or that were granted before it was restarted. So a node's row is there before the
//! node's first lease, and `renewals` is moved before each later one is granted: a row whose
//! `renewals` stands still for a lease and a margin belongs to a node without a lease. When to wait
//! and for how long is left to `controlplane/server`. Invariant: a row is changed only on behalf of
//! the node's newest session, and removed only as it was seen.

use crate::pool::Row;
use glint_image::{NodeId, Seq, SessionId};
use sea_query::{Expr, ExprTrait as _, OnConflict, Order, Query};
use time::PrimitiveDateTime;

use crate::error::{DatabaseError, retried};
use crate::pool::{Database, Tx};
use crate::text;

/// One data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its lasting name.
    pub node: NodeId,
    /// The start of its process that spoke last.
    pub incarnation: u64,
    /// The session under which it may hold a lease.
    pub session: SessionId,
    /// How often a lease was about to be granted. Only that it moves has a meaning.
    pub renewals: u64,
    /// It knows of every change through this one.
    pub applied_seq: Seq,
    /// Length of the leases it gets, in milliseconds.
    pub lease_ms: u64,
    /// When a control plane last heard of it, by that one's clock: for operators, never for leases.
    pub seen_at: PrimitiveDateTime,
}

impl Database {
    /// Notes that a session with a node begins; call it before the welcome. What an earlier session
    /// confirmed remains noted (a node forgets no change by reconnecting), and `renewals` moves, as
    /// a lease of the earlier session may still run.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn node_hello(
        &self,
        node: NodeId,
        incarnation: u64,
        session: SessionId,
        lease_ms: u64,
        now: PrimitiveDateTime,
    ) -> Result<Node, DatabaseError> {
        retried!(self.try_node_hello(node, incarnation, session, lease_ms, now))
    }

    async fn try_node_hello(
        &self,
        node: NodeId,
        incarnation: u64,
        session: SessionId,
        lease_ms: u64,
        now: PrimitiveDateTime,
    ) -> Result<Node, DatabaseError> {
        let mut tx = self.write().await?;
        let renewed = Expr::col(("glint_nodes", "renewals")).add(1);
        let conflict = OnConflict::column("node")
            .update_columns(["incarnation", "session", "seen_at"])
            // The longer of the two: a lease of the earlier session may still run for its whole
            // length.
            .value("lease_ms", longer(text::counted(lease_ms)))
            .value("renewals", renewed)
            .to_owned();
        let upsert = Query::insert()
            .into_table("glint_nodes")
            .columns([
                "node",
                "incarnation",
                "session",
                "renewals",
                "applied_seq",
                "lease_ms",
                "seen_at",
            ])
            .values_panic([
                node.to_string().into(),
                incarnation.cast_signed().into(),
                session.0.cast_signed().into(),
                1.into(),
                0.into(),
                text::counted(lease_ms).into(),
                text::stamp(now).into(),
            ])
            .on_conflict(conflict)
            .to_owned();
        tx.run(&upsert).await?;
        let row = find(&mut tx, node).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Moves `renewals`; call it before granting a lease. `false`: the session is not the node's
    /// newest any more, or its row was removed — then no lease may be granted.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn node_renew(
        &self,
        node: NodeId,
        session: SessionId,
        lease_ms: u64,
        now: PrimitiveDateTime,
    ) -> Result<bool, DatabaseError> {
        retried!(self.try_node_renew(node, session, lease_ms, now))
    }

    async fn try_node_renew(
        &self,
        node: NodeId,
        session: SessionId,
        lease_ms: u64,
        now: PrimitiveDateTime,
    ) -> Result<bool, DatabaseError> {
        let mut tx = self.write().await?;
        let update = Query::update()
            .table("glint_nodes")
            .value("renewals", Expr::col("renewals").add(1))
            .value("lease_ms", text::counted(lease_ms))
            .value("seen_at", text::stamp(now))
            .and_where(Expr::col("node").eq(node.to_string()))
            .and_where(Expr::col("session").eq(session.0.cast_signed()))
            .to_owned();
        let touched = tx.run(&update).await?;
        tx.commit().await?;
        Ok(touched == 1)
    }

    /// Notes that a node knows of every change through `seq`. Moves forward only. `false`: not the
    /// node's newest session.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn node_applied(
        &self,
        node: NodeId,
        session: SessionId,
        seq: Seq,
        now: PrimitiveDateTime,
    ) -> Result<bool, DatabaseError> {
        retried!(self.try_node_applied(node, session, seq, now))
    }

    async fn try_node_applied(
        &self,
        node: NodeId,
        session: SessionId,
        seq: Seq,
        now: PrimitiveDateTime,
    ) -> Result<bool, DatabaseError> {
        let mut tx = self.write().await?;
        let seq = text::counted(seq.0);
        let update = Query::update()
            .table("glint_nodes")
            .value(
                "applied_seq",
                Expr::case(Expr::col("applied_seq").lt(seq), seq).finally(Expr::col("applied_seq")),
            )
            .value("seen_at", text::stamp(now))
            .and_where(Expr::col("node").eq(node.to_string()))
            .and_where(Expr::col("session").eq(session.0.cast_signed()))
            .to_owned();
        let touched = tx.run(&update).await?;
        tx.commit().await?;
        Ok(touched == 1)
    }

    /// Every data plane that may hold a lease, by name.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn nodes(&self) -> Result<Vec<Node>, DatabaseError> {
        let mut tx = self.read().await?;
        let query = select().order_by("node", Order::Asc).to_owned();
        let rows = tx.rows(&query).await?;
        tx.commit().await?;
        rows.iter().map(node).collect()
    }

    /// Removes a node that was seen standing still for longer than its lease, if it did not move
    /// since. `false`: it did.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn node_remove(&self, seen: &Node) -> Result<bool, DatabaseError> {
        retried!(self.try_node_remove(seen))
    }

    async fn try_node_remove(&self, seen: &Node) -> Result<bool, DatabaseError> {
        let mut tx = self.write().await?;
        let delete = Query::delete()
            .from_table("glint_nodes")
            .and_where(Expr::col("node").eq(seen.node.to_string()))
            .and_where(Expr::col("session").eq(seen.session.0.cast_signed()))
            .and_where(Expr::col("renewals").eq(text::counted(seen.renewals)))
            .to_owned();
        let touched = tx.run(&delete).await?;
        tx.commit().await?;
        Ok(touched == 1)
    }
}

/// The longer of the lease a row notes and another.
fn longer(lease_ms: i64) -> Expr {
    let noted = || Expr::col(("glint_nodes", "lease_ms"));
    Expr::case(noted().lt(lease_ms), lease_ms).finally(noted()).into()
}

fn select() -> sea_query::SelectStatement {
    Query::select()
        .columns([
            "node",
            "incarnation",
            "session",
            "renewals",
            "applied_seq",
            "lease_ms",
            "seen_at",
        ])
        .from("glint_nodes")
        .to_owned()
}

async fn find(tx: &mut Tx<'_>, name: NodeId) -> Result<Node, DatabaseError> {
    let query = select().and_where(Expr::col("node").eq(name.to_string())).to_owned();
    node(&tx.one(&query).await?)
}

fn node(row: &Row) -> Result<Node, DatabaseError> {
    Ok(Node {
        node: text::node_id(row, "node")?,
        incarnation: text::int(row, "incarnation")?.cast_unsigned(),
        session: SessionId(text::int(row, "session")?.cast_unsigned()),
        renewals: text::count(row, "renewals")?,
        applied_seq: Seq(text::count(row, "applied_seq")?),
        lease_ms: text::count(row, "lease_ms")?,
        seen_at: text::time(row, "seen_at")?,
    })
}
