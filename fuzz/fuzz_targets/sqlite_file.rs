//! Any bytes where the store's file should be, and any beside it: opening and every verb answer or say
//! what is wrong.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::{Corpus, fuzz_target};
use towpath_fuzz::{Place, Template, block_on, every_verb};

#[derive(Debug, Arbitrary)]
struct Input {
    base: Base,
    /// Bytes of the file that are other ones.
    patches: Vec<(u32, Patch)>,
    /// Where the file ends too early.
    end: Option<u32>,
    wal: Option<Vec<u8>>,
    journal: Option<Vec<u8>>,
    choice: u64,
}

#[derive(Debug, Arbitrary)]
enum Base {
    /// A good store.
    Store,
    /// These bytes alone.
    Bytes(Vec<u8>),
    /// The first bytes of every database, and these.
    Magic(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
enum Patch {
    Byte(u8),
    Word([u8; 4]),
    Zeroes(u16),
    /// Bytes of another place in the file.
    From(u32, u16),
}

fuzz_target!(|input: Input| -> Corpus {
    if input.patches.len() > 16 {
        return Corpus::Reject;
    }
    let template = Template::get();
    let place = Place::new();
    std::fs::write(place.path("jobs.db"), file(&input, &template.file)).expect("a file");
    if let Some(wal) = &input.wal {
        std::fs::write(place.path("jobs.db-wal"), wal).expect("a file");
    }
    if let Some(journal) = &input.journal {
        std::fs::write(place.path("jobs.db-journal"), journal).expect("a file");
    }
    block_on(async {
        let store = place.store();
        every_verb(&store, &template.ids, input.choice).await;
        place.close(store).await;
    });
    Corpus::Keep
});

fn file(input: &Input, template: &[u8]) -> Vec<u8> {
    let mut file = match &input.base {
        Base::Store => template.to_vec(),
        Base::Bytes(bytes) => bytes.clone(),
        Base::Magic(bytes) => [b"SQLite format 3\0", bytes.as_slice()].concat(),
    };
    for (at, patch) in &input.patches {
        let at = *at as usize % file.len().max(1);
        let patch = match patch {
            Patch::Byte(byte) => vec![*byte],
            Patch::Word(word) => word.to_vec(),
            Patch::Zeroes(count) => vec![0; usize::from(*count) % 4_096],
            Patch::From(from, count) => {
                let from = *from as usize % file.len().max(1);
                let end = file.len().min(from + usize::from(*count) % 4_096);
                file[from..end].to_vec()
            }
        };
        for (byte, new) in file.iter_mut().skip(at).zip(patch) {
            *byte = new;
        }
    }
    if let Some(end) = input.end {
        let len = file.len().max(1);
        file.truncate(end as usize % len);
    }
    file
}
