// SPDX-License-Identifier: Apache-2.0
mod shop {
    pub struct Basket {
        pub items: Vec<u64>,
    }
    impl Basket {
        #[inline(never)]
        pub fn total(&self) -> u64 {
            let mut x: u64 = 1;
            for round in 0..2000u64 {
                for item in &self.items {
                    x = x.wrapping_mul(6364136223846793005).wrapping_add(*item ^ round);
                }
            }
            x
        }
    }
}

fn main() {
    let mut sum = 0;
    let start = std::time::Instant::now();
    while start.elapsed().as_millis() < 2000 {
        let basket = shop::Basket { items: (0..100).collect() };
        sum ^= basket.total();
    }
    println!("{}", sum);
}
