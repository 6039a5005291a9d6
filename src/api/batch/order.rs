//! Which request of a batch waits for which.

use std::collections::HashMap;

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::MAX_ID;
use crate::error::{Error, Result};

/// For each item the numbers of those it waits for.
#[derive(Debug)]
pub struct Order(Vec<Vec<usize>>);

impl Order {
    /// Of ids, each with the ids it depends on.
    ///
    /// # Errors
    /// Ids that are empty, too long or not unique; dependencies that are unknown or go in a circle.
    pub fn of(items: &[(String, Vec<String>)]) -> Result<Self> {
        let mut numbers = HashMap::new();
        for (number, (id, _)) in items.iter().enumerate() {
            if id.is_empty() || id.chars().count() > MAX_ID {
                return Err(Error::invalid("id", format!("The id of a request is 1 to {MAX_ID} characters long.")));
            }
            if numbers.insert(id.as_str(), number).is_some() {
                return Err(Error::invalid("id", format!("Two requests have the id '{id}'; each needs its own.")));
            }
        }
        let unknown = |id: &str, other: &str| {
            let message = format!("The request '{id}' depends on '{other}', and no request of the batch has this id.");
            Error::invalid("dependsOn", message)
        };
        let number_of =
            |id: &str, other: &String| numbers.get(other.as_str()).copied().ok_or_else(|| unknown(id, other));
        let order = items.iter().map(|(id, others)| others.iter().map(|other| number_of(id, other)).collect());
        let order = Self(order.collect::<Result<_>>()?);
        match order.somebody_in_a_circle() {
            Some(number) => {
                let id = &items[number].0;
                Err(Error::invalid("dependsOn", format!("The request '{id}' waits for itself, directly or by others.")))
            }
            None => Ok(order),
        }
    }

    /// An item that can never begin.
    fn somebody_in_a_circle(&self) -> Option<usize> {
        let mut free = vec![false; self.0.len()];
        // Each round frees at least one item, or none can be freed any more.
        for _ in 0..self.0.len() {
            for (number, others) in self.0.iter().enumerate() {
                free[number] = free[number] || others.iter().all(|other| free[*other]);
            }
        }
        free.iter().position(|free| !free)
    }

    /// Performs all items, at most `at_once` at a time, each after those it waits for; `perform` learns which of them
    /// has failed. The results are in the order of the items.
    pub async fn run<T, F: Future<Output = T>>(
        &self,
        at_once: usize,
        perform: impl Fn(usize, Option<usize>) -> F,
        has_failed: impl Fn(&T) -> bool,
    ) -> Vec<T> {
        let mut done: Vec<Option<T>> = self.0.iter().map(|_| None).collect();
        let mut waiting: Vec<usize> = (0..self.0.len()).collect();
        let mut running = FuturesUnordered::new();
        loop {
            waiting.retain(|&number| {
                let others = &self.0[number];
                if running.len() >= at_once || others.iter().any(|other| done[*other].is_none()) {
                    return true;
                }
                let failed = others.iter().find(|other| done[**other].as_ref().is_some_and(&has_failed)).copied();
                let work = perform(number, failed);
                running.push(async move { (number, work.await) });
                false
            });
            let Some((number, result)) = running.next().await else { break };
            done[number] = Some(result);
        }
        done.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn order(items: &[(&str, &[&str])]) -> Result<Order> {
        let owned = |(id, others): &(&str, &[&str])| {
            ((*id).to_owned(), others.iter().map(|other| (*other).to_owned()).collect())
        };
        Order::of(&items.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn doubtful_orders_are_refused() {
        assert!(order(&[("a", &["b"]), ("b", &["c"]), ("c", &[])]).is_ok());
        let wrong: [&[(&str, &[&str])]; 6] = [
            &[("a", &[]), ("a", &[])],
            &[("", &[])],
            &[("a", &["b"])],
            &[("a", &["a"])],
            &[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &[])],
            &[(&"x".repeat(65), &[])],
        ];
        for items in wrong {
            assert!(order(items).is_err(), "{items:?}");
        }
    }

    #[tokio::test]
    async fn each_begins_after_those_it_waits_for() {
        let order = order(&[("a", &["c"]), ("b", &[]), ("c", &["b"]), ("d", &["a", "b"]), ("e", &[])]).unwrap();
        for at_once in [1, 2, 5] {
            let log = Mutex::new(vec![]);
            let perform = |number: usize, failed: Option<usize>| {
                let log = &log;
                async move {
                    tokio::task::yield_now().await;
                    log.lock().unwrap().push(number);
                    // The third fails, and so does whatever waits for it.
                    number != 2 && failed.is_none()
                }
            };
            let results = order.run(at_once, perform, |succeeded| !succeeded).await;
            assert_eq!(results, [false, true, false, false, true]);
            let log = log.into_inner().unwrap();
            let at = |number| log.iter().position(|done| *done == number).unwrap();
            assert!(at(1) < at(2) && at(2) < at(0) && at(0) < at(3), "{log:?}");
        }
    }
}
