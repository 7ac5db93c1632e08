//! Sorted sets. The writing is in `functions/sets.sql`.

use tokio_postgres::Row;
use towpath_core::limits::{self, KV_BATCH, WINDOW};
use towpath_core::name::{BucketName, Key};
use towpath_core::store::{Member, Score};

use super::columns::{Columns, rows};
use super::error::{Fallible, Fault};
use super::kv::{counted, flags, placed, read_key, texts};
use super::statement::statement;
use super::tx::{Params, Tx};

pub(super) async fn add(
    tx: &Tx<'_>,
    bucket: &BucketName,
    set: &Key,
    members: &[Member],
) -> Fallible<Vec<bool>> {
    limits::check_batch("members", members.len(), KV_BATCH)?;
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let scores: Vec<f64> = members.iter().map(|member| member.score.get()).collect();
    let sql = "SELECT add_members($1, $2, $3, $4)";
    let asked: Params<'_> = &[&bucket.as_str(), &set.as_str(), &names, &scores];
    flags(tx, sql, asked).await
}

pub(super) async fn scores(
    tx: &Tx<'_>,
    bucket: &BucketName,
    set: &Key,
    members: &[Key],
) -> Fallible<Vec<Option<Score>>> {
    limits::check_batch("members", members.len(), KV_BATCH)?;
    let asked: Params<'_> = &[&bucket.as_str(), &set.as_str(), &texts(members)];
    let found = tx.query(statement!("scores"), asked).await?;
    placed(&found, members, read_score)
}

fn read_score(columns: &Columns<'_>) -> Fallible<Score> {
    Score::new(columns.get("score")?).map_err(|error| Fault::damaged("score", error))
}

pub(super) async fn discard(
    tx: &Tx<'_>,
    bucket: &BucketName,
    set: &Key,
    members: &[Key],
) -> Fallible<Vec<bool>> {
    limits::check_batch("members", members.len(), KV_BATCH)?;
    let sql = "SELECT discard_members($1, $2, $3)";
    let asked: Params<'_> = &[&bucket.as_str(), &set.as_str(), &texts(members)];
    flags(tx, sql, asked).await
}

pub(super) async fn range(
    tx: &Tx<'_>,
    bucket: &BucketName,
    set: &Key,
    after: Option<&Member>,
    max: usize,
) -> Fallible<Vec<Member>> {
    let (bucket, set, most) = (bucket.as_str(), set.as_str(), rows(max.min(WINDOW)));
    let found = match after {
        None => {
            let asked: Params<'_> = &[&bucket, &set, &most];
            tx.query(statement!("first_members"), asked).await?
        }
        Some(Member { score, name }) => {
            let asked: Params<'_> = &[&bucket, &set, &most, &score.get(), &name.as_str()];
            tx.query(statement!("members_after"), asked).await?
        }
    };
    found.iter().map(read).collect()
}

pub(super) async fn pop(
    tx: &Tx<'_>,
    bucket: &BucketName,
    set: &Key,
    max: usize,
) -> Fallible<Vec<Member>> {
    let most = rows(max.min(WINDOW));
    let sql = "SELECT * FROM pop_members($1, $2, $3)";
    let asked: Params<'_> = &[&bucket.as_str(), &set.as_str(), &most];
    let popped = tx.query(sql, asked).await?;
    let mut members = popped.iter().map(read).collect::<Fallible<Vec<Member>>>()?;
    members.sort_unstable();
    Ok(members)
}

fn read(row: &Row) -> Fallible<Member> {
    let columns = Columns(row);
    Ok(Member {
        score: read_score(&columns)?,
        name: read_key(&columns, "member")?,
    })
}

pub(super) async fn len(tx: &Tx<'_>, bucket: &BucketName, set: &Key) -> Fallible<u64> {
    let sql = "SELECT count(*) FROM member WHERE bucket = $1 AND name = $2";
    let asked: Params<'_> = &[&bucket.as_str(), &set.as_str()];
    counted(tx, sql, asked).await
}
