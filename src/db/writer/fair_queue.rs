//! A fair queue (deficit round robin): a queue with large items waits for as many rounds as they cost.

use std::collections::{HashMap, VecDeque};

use crate::limits::Owner;

/// The credit that a queue gains per round, until it can pay for its next item.
const QUANTUM: usize = 64;

/// A queue of items with costs.
pub(crate) trait CostQueue: Default {
    type Item;

    /// The cost of the next item; none if the queue is empty.
    fn cost(&mut self) -> Option<usize>;

    /// Removes the next item.
    fn pop(&mut self) -> Option<Self::Item>;
}

/// Items with their costs.
impl<T> CostQueue for VecDeque<(usize, T)> {
    type Item = T;

    fn cost(&mut self) -> Option<usize> {
        self.front().map(|(cost, _)| *cost)
    }

    fn pop(&mut self) -> Option<T> {
        self.pop_front().map(|(_, item)| item)
    }
}

#[derive(Debug)]
struct Turn {
    owner: Owner,
    credit: usize,
}

/// Queues by owner, none of them empty.
#[derive(Debug)]
pub(crate) struct FairQueue<Q> {
    queues: HashMap<Owner, Q>,
    /// Each owner of a queue once.
    order: VecDeque<Turn>,
}

impl<Q> Default for FairQueue<Q> {
    fn default() -> Self {
        Self {
            queues: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<Q: CostQueue> FairQueue<Q> {
    /// The queue of this owner. The caller must add an item to it.
    pub(crate) fn queue(&mut self, owner: Owner) -> &mut Q {
        self.queues.entry(owner).or_insert_with(|| {
            self.order.push_back(Turn { owner, credit: 0 });
            Q::default()
        })
    }

    /// Whether all queues are gone.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.order.is_empty()
    }
}

impl<Q: CostQueue> CostQueue for FairQueue<Q> {
    type Item = Q::Item;

    /// Passes the turn on until a queue can pay for its next item.
    fn cost(&mut self) -> Option<usize> {
        loop {
            let turn = self.order.front_mut()?;
            let cost = self.queues.get_mut(&turn.owner)?.cost()?;
            if turn.credit < cost {
                turn.credit += QUANTUM;
            }
            if turn.credit >= cost {
                return Some(cost);
            }
            self.order.rotate_left(1);
        }
    }

    fn pop(&mut self) -> Option<Q::Item> {
        let cost = self.cost()?;
        let mut turn = self.order.pop_front()?;
        let queue = self.queues.get_mut(&turn.owner)?;
        let item = queue.pop();
        if queue.cost().is_none() {
            self.queues.remove(&turn.owner);
        } else {
            turn.credit -= cost;
            self.order.push_back(turn);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;

    type Named = VecDeque<(usize, &'static str)>;

    fn owner() -> Owner {
        Owner::Identity(Identity::random().identity_key())
    }

    fn drain<Q: CostQueue<Item = &'static str>>(turns: &mut FairQueue<Q>) -> String {
        let names: Vec<&str> = std::iter::from_fn(|| turns.pop()).collect();
        assert!(turns.is_empty());
        names.concat()
    }

    #[test]
    fn each_has_one_in_its_turn() {
        let mut turns = FairQueue::<Named>::default();
        let [first, second] = [owner(), owner()];
        turns.queue(first).extend([(1, "a"), (1, "b"), (1, "c")]);
        turns.queue(second).extend([(1, "x"), (1, "y")]);
        assert_eq!(drain(&mut turns), "axbyc");
    }

    #[test]
    fn what_costs_much_waits_for_as_many_rounds() {
        let mut turns = FairQueue::<Named>::default();
        let [large, small] = [owner(), owner()];
        turns
            .queue(large)
            .extend([(4 * QUANTUM, "L"), (4 * QUANTUM, "L")]);
        turns.queue(small).extend([(1, "s"); 9]);
        assert_eq!(drain(&mut turns), "sssLssssLss");
        // A queue alone waits for no other, and leaves no credit.
        turns.queue(large).extend([(9 * QUANTUM, "L")]);
        assert_eq!(drain(&mut turns), "L");
    }

    #[test]
    fn identities_of_one_address_share_its_turn() {
        let mut turns = FairQueue::<FairQueue<Named>>::default();
        let [crowded, other] = [owner(), owner()];
        for name in ["a", "b", "c"] {
            turns.queue(crowded).queue(owner()).extend([(1, name); 2]);
        }
        turns.queue(other).queue(owner()).extend([(1, "x"); 3]);
        assert_eq!(drain(&mut turns), "axbxcxabc");
    }
}
