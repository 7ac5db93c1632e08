//! The observer: starts, kills, freezes and replaces the processes, and has the end verified.
//!
//! ```text
//! start ─ chaos … ─ producers end ─ workers drain ─ workers end ─ verify ─ report
//! ```

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use towpath::store::{List, Section, Update};
use towpath::{Start, Store, limits};

use crate::chaos::Chaos;
use crate::ground::{Ground, STORE_URL};
use crate::journal::{self, Kind, RECORD_BYTES, Ticks};
use crate::options::Plan;
use crate::process::{Part, Process};
use crate::progress::Progress;
use crate::report::{Counts, Report};
use crate::storage::Storage;
use crate::verify::{Chronicle, Fault, Span, Verifier, shards};

/// How long workers may take to run what is left.
pub const DRAIN: Duration = Duration::from_secs(180);
/// How long they may wait for what is not due.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a process may take to end when it was told to.
const END: Duration = Duration::from_secs(60);
/// The store's counts may be that old.
const COUNTS_AGE: Duration = Duration::from_millis(2_500);
/// Who waits for the lock that a frozen process holds may still finish what he had begun.
const STILL_AFTER: u64 = 500_000;

/// A whole soak, as the plan says.
///
/// # Errors
///
/// When it could not be carried out; what it found is in the report.
pub fn soak(program: &Path, plan: &Plan, mut progress: Progress) -> Result<Report> {
    let mut observer = Observer::start(program, plan)?;
    let mut chaos = Chaos::new(plan, observer.seed, observer.now());
    let began = Instant::now();
    while began.elapsed() < plan.duration() {
        chaos.step(&mut observer)?;
        observer.look_after()?;
        progress.show(began.elapsed(), || observer.summary());
        std::thread::sleep(Duration::from_millis(10));
    }
    chaos.end(&mut observer)?;
    progress.part("draining");
    observer.wind_down(DRAIN, PATIENCE)?;
    progress.part("verifying");
    let report = observer.verify();
    progress.end();
    report
}

/// Who watches the processes.
pub struct Observer<'a> {
    program: &'a Path,
    plan: &'a Plan,
    /// Of journals and, if nobody named another, the store.
    directory: TempDir,
    run: u64,
    seed: u64,
    rng: Rng,
    ticks: Ticks,
    processes: Vec<Process>,
    /// Dropped after the processes, which would otherwise miss their server.
    ground: Ground,
    started: u16,
    chronicle: Chronicle,
    storage: Storage,
    counts: Counts,
    began: Instant,
    /// What went wrong with processes.
    faults: Vec<(Fault, String)>,
    runtime: Runtime,
}

impl<'a> Observer<'a> {
    /// Starts the processes of a plan.
    ///
    /// # Errors
    ///
    /// What is wrong with the plan, and what the system says.
    pub fn start(program: &'a Path, plan: &'a Plan) -> Result<Self> {
        plan.check()?;
        let directory = tempfile::Builder::new().prefix("towpath-soak-").tempdir()?;
        let ground = Ground::new(plan.store.as_deref(), directory.path())?;
        let seed = plan.seed.unwrap_or_else(|| fastrand::u64(..));
        let mut this = Self {
            program,
            plan,
            storage: Storage::of(ground.url()),
            ground,
            directory,
            // Another one each time, so that a second soak can have the same seed in the same store.
            run: fastrand::u64(..),
            seed,
            rng: Rng::with_seed(seed),
            ticks: Ticks::new(),
            processes: Vec::new(),
            started: 0,
            chronicle: Chronicle::default(),
            counts: Counts::default(),
            began: Instant::now(),
            faults: Vec::new(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        };
        let workers = std::iter::repeat_n(Part::Worker, plan.workers);
        for part in workers.chain(std::iter::repeat_n(Part::Producer, plan.producers)) {
            let process = this.begin(part)?;
            this.processes.push(process);
        }
        Ok(this)
    }

    fn begin(&mut self, part: Part) -> Result<Process> {
        self.started = self
            .started
            .checked_add(1)
            .context("a soak has at most 65,535 processes")?;
        let number = self.started;
        let mut arguments: Vec<String> = Vec::new();
        let verb = match part {
            Part::Producer => "produce",
            Part::Worker => "work",
        };
        arguments.push(verb.to_owned());
        let mut option = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
        option("journal", self.journal(number).display().to_string());
        option("run", self.run.to_string());
        option("number", number.to_string());
        match part {
            Part::Producer => {
                #[expect(clippy::cast_precision_loss, reason = "at most a hundred")]
                let rate = self.plan.rate / self.plan.producers as f64;
                option("rate", rate.to_string());
                option("seed", self.rng.u64(..).to_string());
            }
            Part::Worker => option("lease-ms", self.plan.lease.as_millis().to_string()),
        }
        let said = self.directory.path().join(format!("{number}.said"));
        let told = (STORE_URL, self.ground.revealed());
        Process::start(self.program, &arguments, told, &said, (part, number))
    }

    fn journal(&self, number: u16) -> PathBuf {
        self.directory.path().join(format!("{number}.journal"))
    }

    /// Now, by the clock of the journals.
    pub fn now(&self) -> u64 {
        self.ticks.now()
    }

    /// The numbers of the processes that are there: of all, or of one part.
    pub fn alive(&self, part: Option<Part>) -> Vec<u16> {
        let of = |process: &&Process| part.is_none_or(|part| process.part == part);
        self.processes
            .iter()
            .filter(of)
            .map(|process| process.number)
            .collect()
    }

    /// Whether a process has written into its journal.
    pub fn has_written(&self, number: u16) -> bool {
        self.journal(number)
            .metadata()
            .is_ok_and(|found| found.len() > 0)
    }

    /// The store, for those who look.
    ///
    /// # Errors
    ///
    /// As opening it.
    pub fn store(&self) -> Result<Arc<dyn Store>> {
        self.ground.open()
    }

    fn at(&self, number: u16) -> Option<usize> {
        self.processes
            .iter()
            .position(|process| process.number == number)
    }

    /// SIGKILL for a process, and another in its place.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn kill(&mut self, number: u16) -> Result<()> {
        let Some(at) = self.at(number) else {
            return Ok(());
        };
        let from = self.now();
        self.processes[at].signal(Signal::KILL)?;
        self.bury(at, from)
    }

    /// SIGKILL for all processes at once, and others in their places.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn kill_all(&mut self) -> Result<()> {
        let from = self.now();
        for process in &self.processes {
            process.signal(Signal::KILL)?;
        }
        (0..self.processes.len()).try_for_each(|at| self.bury(at, from))
    }

    fn bury(&mut self, at: usize, from: u64) -> Result<()> {
        let process = &mut self.processes[at];
        process.kill()?;
        let (part, number, frozen) = (process.part, process.number, process.frozen_since);
        let span = Span {
            process: number,
            from,
            to: self.now(),
        };
        if let Some(since) = frozen {
            self.chronicle.froze(Span {
                from: since,
                ..span
            });
        }
        self.chronicle.died(span);
        match part {
            Part::Producer => self.counts.producers_killed += 1,
            Part::Worker => self.counts.workers_killed += 1,
        }
        self.processes[at] = self.begin(part)?;
        Ok(())
    }

    /// SIGSTOP for a process.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn freeze(&mut self, number: u16) -> Result<()> {
        let now = self.now();
        if let Some(at) = self.at(number) {
            let process = &mut self.processes[at];
            process.frozen_since.get_or_insert(now);
            process.signal(Signal::STOP)?;
            self.counts.freezes += 1;
        }
        Ok(())
    }

    /// SIGCONT for a process, if it is still there.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn thaw(&mut self, number: u16) -> Result<()> {
        let to = self.now();
        let Some(at) = self.at(number) else {
            return Ok(());
        };
        let process = &mut self.processes[at];
        if let Some(from) = process.frozen_since.take() {
            process.signal(Signal::CONT)?;
            self.chronicle.froze(Span {
                process: number,
                from,
                to,
            });
        }
        Ok(())
    }

    /// Replaces processes that ended although nobody had told them to, and looks at the log.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn look_after(&mut self) -> Result<()> {
        self.storage.sample();
        for at in 0..self.processes.len() {
            let Some(status) = self.processes[at].ended()? else {
                continue;
            };
            let Process { number, part, .. } = self.processes[at];
            let said = self.said(number);
            self.faults.push((
                Fault::EndedByItself,
                format!("{part:?} {number}: {status}: {said}"),
            ));
            self.processes[at] = self.begin(part)?;
        }
        Ok(())
    }

    /// The last thing that a process printed.
    fn said(&self, number: u16) -> String {
        let said = std::fs::read_to_string(self.directory.path().join(format!("{number}.said")));
        said.unwrap_or_default()
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned()
    }

    /// How far it has come, in one line.
    pub fn summary(&self) -> String {
        let Counts {
            producers_killed,
            workers_killed,
            freezes,
            ..
        } = self.counts;
        let producers = self.alive(Some(Part::Producer));
        let bytes = |number: &u16| {
            self.journal(*number)
                .metadata()
                .map_or(0, |found| found.len())
        };
        let accepted: u64 = producers.iter().map(bytes).sum::<u64>() / RECORD_BYTES as u64;
        format!(
            "{accepted} accepted by those who live, {} killed, {freezes} frozen",
            producers_killed + workers_killed
        )
    }

    /// Ends the producers, lets the workers run what is left for at most `bound`, and ends them too.
    ///
    /// What still waits for its time after `patience`, such as messages that were lost again and
    /// again, is made due at once.
    ///
    /// # Errors
    ///
    /// What the system and the store say.
    pub fn wind_down(&mut self, bound: Duration, patience: Duration) -> Result<()> {
        self.counts.seconds = self.began.elapsed().as_secs_f64();
        self.end(Part::Producer)?;
        let drain = Instant::now();
        let store = self.store()?;
        loop {
            self.look_after()?;
            std::thread::sleep(Duration::from_millis(20));
            let counts = self.runtime.block_on(store.counts())?;
            let left = counts.scheduled + counts.ready + counts.running;
            let is_fresh = drain.elapsed() > COUNTS_AGE;
            if (left == 0 && is_fresh) || drain.elapsed() > bound {
                break;
            }
            if counts.scheduled > 0 && drain.elapsed() > patience {
                self.counts.hurried += self.runtime.block_on(hurry(&store))?;
            }
        }
        self.counts.drain_seconds = drain.elapsed().as_secs_f64();
        self.runtime.block_on(store.close())?;
        self.end(Part::Worker)
    }

    fn end(&mut self, part: Part) -> Result<()> {
        let of = |process: &mut Process| process.part == part;
        let mut ending: Vec<_> = self.processes.extract_if(.., of).collect();
        for process in &ending {
            process.signal(Signal::TERM)?;
        }
        for process in &mut ending {
            let from = self.now();
            let status = process.wait(END)?;
            let number = process.number;
            // It had only just been started, and nobody there listened to signals yet.
            let was_deaf = status.is_some_and(|status| status.signal().is_some());
            if status.is_some_and(|status| status.success())
                || (was_deaf && !self.has_written(number))
            {
                continue;
            }
            self.chronicle.died(Span {
                process: number,
                from,
                to: self.now(),
            });
            let how = status.map_or("had to be killed".to_owned(), |status| status.to_string());
            let said = self.said(number);
            self.faults.push((
                Fault::EndedBadly,
                format!("{part:?} {number}: {how}: {said}"),
            ));
        }
        Ok(())
    }

    /// Puts everything side by side. When something is wrong, the files are kept, also those of a server
    /// of the soak's own.
    ///
    /// # Errors
    ///
    /// What the file system and the store say.
    pub fn verify(mut self) -> Result<Report> {
        let journals: Vec<_> = (1..=self.started)
            .map(|number| self.journal(number))
            .collect();
        self.read_signs(&journals)?;
        let store = self.store()?;
        let mut verifier = Verifier::new(&self.chronicle);
        let findings = self.runtime.block_on(async {
            // A write: whoever begins to write sweeps away the lock files of those who were killed.
            store.pause("towpath-soak".parse()?, false).await?;
            shards::verify(&mut verifier, &journals, &store, self.run).await?;
            anyhow::Ok(store.doctor().await?)
        })?;
        let mut tally = verifier.tally;
        for (fault, text) in self.faults {
            tally.fault(fault, || text);
        }
        for finding in findings {
            tally.fault(Fault::DoctorFindings, || {
                format!("{}: {}", finding.about, finding.problem)
            });
        }
        self.runtime.block_on(store.close())?;
        let storage = self.storage.figures();
        for name in storage.iter().flat_map(|storage| &storage.lock_files_left) {
            tally.fault(Fault::LockFilesLeft, || name.clone());
        }
        self.counts.stood_still = self.chronicle.still_count() as u64;
        let mut report = Report::new(self.ground.url(), self.seed, self.counts, tally, storage);
        if self.plan.keep || !report.is_good() {
            report.kept_in = Some(self.directory.keep());
            report.server_kept_in = self.ground.keep()?;
        }
        Ok(report)
    }

    /// What the journals tell of processes rather than of messages.
    fn read_signs(&mut self, journals: &[PathBuf]) -> Result<()> {
        let mut progressed = vec![false; self.chronicle.freezes().len()];
        for path in journals {
            let mut refused = 0;
            journal::read(path, |event| match event.kind {
                Kind::Trouble => self.counts.trouble += 1,
                Kind::LeaseLost => refused = event.number,
                Kind::Accepted | Kind::Settled | Kind::Retried => {
                    for (freeze, progressed) in self.chronicle.freezes().iter().zip(&mut progressed)
                    {
                        *progressed |= (freeze.from + STILL_AFTER..freeze.to).contains(&event.at);
                    }
                }
                _ => {}
            })?;
            self.counts.refused_ends += u64::from(refused);
        }
        let freezes = self.chronicle.freezes().to_vec();
        for (freeze, _) in freezes
            .iter()
            .zip(progressed)
            .filter(|(_, progressed)| !progressed)
        {
            if freeze.to - freeze.from > 2 * STILL_AFTER {
                self.chronicle.stood_still(*freeze);
            }
        }
        Ok(())
    }
}

/// Makes a window of what waits for its time due at once; answers how many messages that were.
async fn hurry(store: &Arc<dyn Store>) -> Result<u64> {
    let (section, limit) = (Section::Scheduled, limits::WINDOW);
    let window = store
        .list(List {
            section,
            after: None,
            limit,
        })
        .await?;
    let now = || Update {
        start: Some(Start::Now),
        ..Update::default()
    };
    let updates: Vec<_> = window
        .records
        .iter()
        .map(|record| (record.id, now()))
        .collect();
    // Those that a worker was faster with refuse it.
    let updated = store.update(updates).await?;
    Ok(updated.iter().filter(|updated| updated.is_ok()).count() as u64)
}
