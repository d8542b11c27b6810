//! What officers have a token do, as its supervisor passes it on: it holds no officer's key and believes nothing, the workers do.

use std::future::Future;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::asks::{Answering, LONGEST_STOP, LONGEST_WORK};
use super::keeper::Patience;
use super::lessons::Lesson;
use super::manage::CertifiedKey;
use super::process::Worker;
use super::queue::lock;
use super::supervisor::{Shared, SupervisedToken};
use super::wire::WorkerFrame;
use super::{Admission, Disposition, Managed, Management, Stop, Task, TokenError, TokenKey, initialise, wire};
use crate::domain::officers::{Change, KeyName, Proposal};

impl SupervisedToken {
    /// Has a worker do what officers agreed on.
    ///
    /// To make a key may take minutes; what is signed meanwhile is not held up by it, as far as the token can do both. A worker
    /// that dies over it leaves what it did on the token: asked again under the same consent, another tells what came of it.
    ///
    /// # Errors
    /// [`TokenError`]: with [`Disposition::StopKey`] it is refused, and the message says why; else it may be asked again.
    pub fn manage(&self, order: Management) -> impl Future<Output = Result<Managed, TokenError>> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        let asked = if is_initialisation(&order) { shared.ask_initialiser(&order) } else { shared.ask_one(&order) };
        async move {
            let managed = asked?.await.map_err(|_| shared.process_error("it died over what officers want; ask again"))??;
            let managed = managed.ok_or_else(|| shared.process_error("it has not said what it did"))?;
            if managed == Managed::Destroyed {
                shared.note_destroyed(&order);
            }
            Ok(managed)
        }
    }

    /// Whether officers can have a slot initialised as this token, as far as it shows from here: the configuration allows it, and no
    /// worker has the token open.
    ///
    /// # Errors
    /// [`TokenError::NotInitialised`] says what stands in the way, and what would be right.
    pub fn check_initialise(&self) -> Result<(), TokenError> {
        let Shared { spec, keys, .. } = &*self.shared;
        initialise::check_settings(spec, !keys.is_empty())?;
        if self.signs() {
            let reason = "its workers have it open: it is initialised already".to_owned();
            return Err(TokenError::NotInitialised { token: spec.name.clone(), reason });
        }
        Ok(())
    }

    /// Has every worker sign certificates with a key that officers had made, certified and activated, those too that start
    /// later; its number, when all that live have it. Asked again for the same certificate, it gives the same number.
    ///
    /// # Errors
    /// [`TokenError`], where no worker lives, or one of them refuses it; then none is told of it later.
    pub fn admit(&self, admission: Admission) -> impl Future<Output = Result<TokenKey, TokenError>> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        let begun = shared.begin_admission(admission);
        async move {
            let Admitting { key, lesson, answers } = match begun? {
                Begun::Before(key) => return Ok(key),
                Begun::Now(admitting) => admitting,
            };
            let told = tell_all(answers).await;
            let mut lessons = lock(&shared.lessons);
            match told {
                Ok(count) if count > 0 => {
                    lessons.note_admitted(key);
                    Ok(key)
                }
                outcome => {
                    lessons.forget(lesson);
                    Err(outcome.err().unwrap_or_else(|| shared.process_error("no worker lives that could take the key")))
                }
            }
        }
    }

    /// Has every worker sign no more with a key, from the next frame on, those too that start later. It is done when all that
    /// live have said so; one that does not is killed.
    ///
    /// # Errors
    /// [`TokenError`], where the signature is no officer's, or it cannot be kept on disk (the key is stopped all the same).
    pub fn stop(&self, stop: Stop) -> impl Future<Output = Result<(), TokenError>> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        let begun = shared.begin_stop(stop);
        async move {
            let (name, lesson, answers) = begun?;
            if let Err(error) = tell_all(answers).await {
                if error.disposition() == Disposition::StopKey {
                    lock(&shared.lessons).forget(lesson);
                }
                return Err(error);
            }
            shared.retire(&name);
            Ok(())
        }
    }
}

/// A key that was admitted before, or is being.
enum Begun {
    Before(TokenKey),
    Now(Admitting),
}

struct Admitting {
    key: TokenKey,
    lesson: usize,
    answers: Vec<Answering>,
}

/// How many workers did as they were told; those that died hear it when they are replaced. All are heard, whatever one says.
async fn tell_all(answers: Vec<Answering>) -> Result<usize, TokenError> {
    let (mut count, mut refusal) = (0, None);
    for answer in answers {
        match answer.await {
            Ok(Ok(_)) => count += 1,
            Ok(Err(error)) => refusal = refusal.or(Some(error)),
            Err(_) => {}
        }
    }
    refusal.map_or(Ok(count), Err)
}

/// No worker lives where there is no token yet: a process of its own does it.
fn is_initialisation(order: &Management) -> bool {
    let proposal = Proposal::read(order.consent.proposal.clone());
    matches!(proposal.as_ref().map(Proposal::change), Ok(Change::InitialiseToken { .. }))
}

impl Shared {
    /// Starts the process that makes the token, and goes on without waiting for it.
    fn ask_initialiser(self: &Arc<Self>, order: &Management) -> Result<Answering, TokenError> {
        initialise::check_settings(&self.spec, !self.keys.is_empty())?;
        let mut frame = Vec::new();
        wire::encode_manage(0, order, &mut frame);
        wire::check_size(&frame)?;
        let (answer, answering) = oneshot::channel();
        self.spawn("initialiser", move |shared| {
            // Whoever asked may have gone; the memory knows.
            let _ = answer.send(shared.initialise(&frame));
        })?;
        Ok(answering)
    }

    /// One process at a time looks for the token or makes it, and each is killed where it hangs.
    fn initialise(&self, frame: &[u8]) -> Result<Option<Managed>, TokenError> {
        let _starting = lock(&self.starting);
        if self.ending.has_begun() {
            return Err(TokenError::Closed);
        }
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let spawned = Worker::spawn_with(&self.spec, &self.command, number, Some("--initialise"));
        let (process, mut output) = spawned.map_err(|error| self.process_error(format_args!("cannot start: {error}")))?;
        let process = Arc::new(process);
        *lock(&self.newborn) = Some(Arc::clone(&process));
        let guard = Patience::new(Arc::clone(&process), self.spec.hang_timeout.max(LONGEST_WORK));
        // The end kills what is noted, and may have come just before.
        let answer = if self.ending.has_begun() { Err(TokenError::Closed) } else { self.converse(&process, frame, &mut output) };
        guard.end();
        *lock(&self.newborn) = None;
        process.kill();
        process.reap();
        answer
    }

    fn converse(&self, process: &Worker, frame: &[u8], output: &mut impl Read) -> Result<Option<Managed>, TokenError> {
        process.send(frame).map_err(|error| self.process_error(error))?;
        match WorkerFrame::read(output) {
            Ok(Some(WorkerFrame::Answered { id: 0, answer })) => answer.map_err(TokenError::from),
            Ok(_) => Err(self.process_error("it ended, or hung, over the initialisation; ask again under the same consent")),
            Err(error) => Err(self.process_error(error)),
        }
    }

    fn ask_one(&self, order: &Management) -> Result<Answering, TokenError> {
        let workers: Vec<_> = lock(&self.workers).iter().filter(|worker| !worker.is_dead()).map(Arc::clone).collect();
        let worker = workers.iter().find(|worker| worker.signs()).or(workers.first());
        let worker = worker.ok_or_else(|| self.refusal().unwrap_or_else(|| self.process_error("none lives at this moment")))?;
        let is_work = matches!(order.task, Task::Execute | Task::ExecuteOn { .. });
        let asked = worker.ask(LONGEST_WORK, is_work, |id, out| wire::encode_manage(id, order, out));
        self.queue.wake();
        asked?.ok_or_else(|| self.process_error("it died before it was asked; ask again"))
    }

    fn begin_admission(&self, admission: Admission) -> Result<Begun, TokenError> {
        let certified = CertifiedKey::read(&admission.certification)?;
        let mut lessons = lock(&self.lessons);
        let key = lessons.place(&certified)?;
        if lessons.is_admitted(key) {
            return Ok(Begun::Before(key));
        }
        let lesson = Lesson::Admit(key, Arc::new(admission));
        let answers = self.tell(&lesson)?;
        Ok(Begun::Now(Admitting { key, lesson: lessons.add(lesson), answers }))
    }

    fn begin_stop(&self, stop: Stop) -> Result<(KeyName, usize, Vec<Answering>), TokenError> {
        let name = KeyName::Kid(stop.kid()?);
        let mut lessons = lock(&self.lessons);
        let lesson = Lesson::Stop(Arc::new(stop));
        let answers = self.tell(&lesson)?;
        Ok((name, lessons.add(lesson), answers))
    }

    /// Asks every worker that lives. Under the lock of the lessons, so that each worker either is here or is told at its start.
    fn tell(&self, lesson: &Lesson) -> Result<Vec<Answering>, TokenError> {
        let patience = match lesson {
            Lesson::Admit(..) => LONGEST_WORK,
            Lesson::Stop(_) => LONGEST_STOP.max(self.spec.hang_timeout),
        };
        let ask = |worker: &Arc<Worker>| worker.ask(patience, false, |id, out| lesson.encode(id, out)).transpose();
        let answers = lock(&self.workers).iter().filter(|worker| !worker.is_dead()).filter_map(ask).collect();
        self.queue.wake();
        answers
    }

    fn note_destroyed(&self, order: &Management) {
        let proposal = Proposal::read(order.consent.proposal.clone());
        if let Ok(Change::Destroy(name)) = proposal.as_ref().map(Proposal::change) {
            self.retire(name);
        }
    }

    /// Nothing is asked of a key any more, and no later worker is told of it.
    fn retire(&self, name: &KeyName) {
        let mut lessons = lock(&self.lessons);
        let keys = lessons.named(name);
        lessons.forget_keys(&keys);
        drop(lessons);
        keys.iter().for_each(|key| self.stop_for_good(*key, &TokenError::KeyStopped { name: name.to_string() }));
    }
}
