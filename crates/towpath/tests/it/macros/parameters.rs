//! What workers provide to a task, besides its arguments.

use std::sync::atomic::{AtomicU32, Ordering};

use towpath::testing::TestApp;
use towpath::{App, Context, Data, Kind, MessageId, task};

#[derive(Default)]
struct Counter(AtomicU32);

struct Missing;

#[task]
async fn count(ctx: Context, by: u32, counter: Data<Counter>, mut twice: bool) -> MessageId {
    for _ in 0..=u8::from(std::mem::take(&mut twice)) {
        counter.0.fetch_add(by, Ordering::Relaxed);
    }
    ctx.id()
}

#[task]
fn peek(counter: towpath::Data<Counter>) -> u32 {
    counter.0.load(Ordering::Relaxed)
}

#[task]
fn lacking(_missing: Data<Missing>) {}

#[tokio::test]
async fn data_and_context_are_provided_and_the_rest_are_arguments() {
    let test = TestApp::new(|app| app.task(count).task(peek).data(Counter::default()));
    let broker = test.broker();
    let submitted = count.submit(&broker, (2, true)).await.unwrap();
    assert_eq!(test.run_inline(&peek, ()).await.unwrap(), 4);
    let id = submitted.result(std::time::Duration::ZERO).await.unwrap();
    assert_eq!(id, submitted.id());
}

#[test]
fn data_is_passed_to_call_as_a_value() {
    assert_eq!(peek.call(Data::from(Counter(7.into()))), 7);
}

#[test]
fn a_task_whose_data_is_missing_is_found_before_it_runs() {
    let store = towpath::open("memory:").unwrap();
    let error = App::new(store).task(lacking).check().unwrap_err();
    assert_eq!(error.kind(), Kind::MissingData);
    let text = error.to_string();
    assert!(
        text.contains("lacking") && text.contains("Missing"),
        "{text}"
    );
}
