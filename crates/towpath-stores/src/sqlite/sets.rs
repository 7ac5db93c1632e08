//! Sorted sets.

use rusqlite::{OptionalExtension, Rows, params};
use towpath_core::limits::{self, KV_BATCH};
use towpath_core::name::{BucketName, Key};
use towpath_core::store::{Member, Score};

use super::columns::Columns;
use super::error::{Fallible, Fault};
use super::kv::{counted, read_key};
use super::reader::Look;
use super::tx::Tx;

pub(super) fn add(
    tx: &Tx<'_>,
    bucket: &BucketName,
    set: &Key,
    members: &[Member],
) -> Fallible<Vec<bool>> {
    limits::check_batch("members", members.len(), KV_BATCH)?;
    let there = "SELECT 1 FROM member WHERE ns = ?1 AND bucket = ?2 AND name = ?3 AND member = ?4";
    let mut there = tx.db.prepare_cached(there)?;
    let put = "INSERT OR REPLACE INTO member (ns, bucket, name, member, score) \
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut put = tx.db.prepare_cached(put)?;
    let (ns, bucket, set) = (tx.ns, bucket.as_str(), set.as_str());
    let mut one = |Member { score, name }: &Member| {
        let is_new = !there.exists(params![ns, bucket, set, name.as_str()])?;
        put.execute(params![ns, bucket, set, name.as_str(), score.get()])?;
        Ok(is_new)
    };
    members.iter().map(&mut one).collect()
}

pub(super) fn scores(
    look: &Look<'_>,
    bucket: &BucketName,
    set: &Key,
    members: &[Key],
) -> Fallible<Vec<Option<Score>>> {
    limits::check_batch("members", members.len(), KV_BATCH)?;
    let sql =
        "SELECT score FROM member WHERE ns = ?1 AND bucket = ?2 AND name = ?3 AND member = ?4";
    let mut statement = look.db.prepare_cached(sql)?;
    let mut one = |member: &Key| {
        let asked = params![look.ns, bucket.as_str(), set.as_str(), member.as_str()];
        let score: Option<f64> = statement.query_row(asked, |row| row.get(0)).optional()?;
        score.map(read_score).transpose()
    };
    members.iter().map(&mut one).collect()
}

fn read_score(score: f64) -> Fallible<Score> {
    Score::new(score).map_err(|error| Fault::damaged("member.score", error))
}

pub(super) fn discard(
    tx: &Tx<'_>,
    bucket: &BucketName,
    set: &Key,
    members: &[Key],
) -> Fallible<Vec<bool>> {
    limits::check_batch("members", members.len(), KV_BATCH)?;
    let sql = "DELETE FROM member WHERE ns = ?1 AND bucket = ?2 AND name = ?3 AND member = ?4";
    let mut delete = tx.db.prepare_cached(sql)?;
    let mut one = |member: &Key| {
        let gone = params![tx.ns, bucket.as_str(), set.as_str(), member.as_str()];
        Ok(delete.execute(gone)? > 0)
    };
    members.iter().map(&mut one).collect()
}

pub(super) fn range(
    look: &Look<'_>,
    bucket: &BucketName,
    set: &Key,
    after: Option<&Member>,
    max: usize,
) -> Fallible<Vec<Member>> {
    let (ns, bucket, set, max) = (look.ns, bucket.as_str(), set.as_str(), rows(max));
    let Some(Member { score, name }) = after else {
        let sql = "SELECT score, member FROM member WHERE ns = ?1 AND bucket = ?2 AND name = ?3 \
            ORDER BY score, member LIMIT ?4";
        let mut statement = look.db.prepare_cached(sql)?;
        return read(statement.query(params![ns, bucket, set, max])?);
    };
    let sql = "SELECT score, member FROM member WHERE ns = ?1 AND bucket = ?2 AND name = ?3 \
        AND (score, member) > (?5, ?6) ORDER BY score, member LIMIT ?4";
    let mut statement = look.db.prepare_cached(sql)?;
    let asked = params![ns, bucket, set, max, score.get(), name.as_str()];
    read(statement.query(asked)?)
}

pub(super) fn pop(
    tx: &Tx<'_>,
    bucket: &BucketName,
    set: &Key,
    max: usize,
) -> Fallible<Vec<Member>> {
    let (ns, bucket, set) = (tx.ns, bucket.as_str(), set.as_str());
    let sql = "SELECT score, member FROM member WHERE ns = ?1 AND bucket = ?2 AND name = ?3 \
        ORDER BY score, member LIMIT ?4";
    let mut statement = tx.db.prepare_cached(sql)?;
    let popped = read(statement.query(params![ns, bucket, set, rows(max)])?)?;
    let sql = "DELETE FROM member WHERE ns = ?1 AND bucket = ?2 AND name = ?3 AND member = ?4";
    let mut delete = tx.db.prepare_cached(sql)?;
    for member in &popped {
        delete.execute(params![ns, bucket, set, member.name.as_str()])?;
    }
    Ok(popped)
}

fn rows(max: usize) -> i64 {
    i64::try_from(max.min(limits::WINDOW)).expect("a window is small")
}

fn read(mut rows: Rows<'_>) -> Fallible<Vec<Member>> {
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        let score: f64 = row.get(0)?;
        members.push(Member {
            score: read_score(score)?,
            name: read_key(Columns(row).text(1, "member.member")?, "member.member")?,
        });
    }
    Ok(members)
}

pub(super) fn len(look: &Look<'_>, bucket: &BucketName, set: &Key) -> Fallible<u64> {
    let sql = "SELECT count(*) FROM member WHERE ns = ?1 AND bucket = ?2 AND name = ?3";
    counted(
        look.db,
        sql,
        params![look.ns, bucket.as_str(), set.as_str()],
    )
}
