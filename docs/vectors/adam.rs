// Adam (Kingma and Ba 2015, algorithm 1), the weight decay through the gradient. T is f64 or f32.
pub struct Optimizer { betas: Vec<f64>, eps: f64, decay: f64, t: i32, m: Vec<T>, v: Vec<T> }
impl Optimizer {
    pub fn new(given: &mut super::Vectors) -> Self {
        let mut setting = |name: &str| given.setting(name);
        let (betas, eps, decay) = (setting("betas"), setting("eps")[0], setting("weight_decay")[0]);
        Optimizer { betas, eps, decay, t: 0, m: vec![], v: vec![] }
    }
    pub fn step(&mut self, w: &mut [T], gradient: &[T], rate: f64) {
        let (b1, b2) = (self.betas[0], self.betas[1]);
        self.t += 1;
        self.m.resize(w.len(), 0.0);
        self.v.resize(w.len(), 0.0);
        for i in 0..w.len() {
            let g = gradient[i] + self.decay as T * w[i];
            self.m[i] += (1.0 - b1) as T * (g - self.m[i]);
            self.v[i] += (1.0 - b2) as T * (g * g - self.v[i]);
            let m = self.m[i] / (1.0 - b1.powi(self.t)) as T;
            let v = self.v[i] / (1.0 - b2.powi(self.t)) as T;
            w[i] -= rate as T * m / (v.sqrt() + self.eps as T);
        }
    }
}
