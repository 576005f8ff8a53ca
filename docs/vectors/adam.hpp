// Adam (Kingma and Ba 2015, algorithm 1), the weight decay through the gradient.
template <class T> struct Optimizer {
  double b1, b2, eps, decay, t = 0;
  std::vector<T> m, v;
  Optimizer(Vectors given) : b1(given.setting("betas")[0]), b2(given.setting("betas")[1]),
                             eps(given.setting("eps")[0]), decay(given.setting("weight_decay")[0]) {}
  void step(std::vector<T>& w, const std::vector<T>& gradient, double rate) {
    m.resize(w.size()); v.resize(w.size()); t++;
    for (size_t i = 0; i < w.size(); i++) {
      T g = gradient[i] + T(decay) * w[i];
      m[i] += T(1 - b1) * (g - m[i]);
      v[i] += T(1 - b2) * (g * g - v[i]);
      T unbiased_m = m[i] / T(1 - std::pow(b1, t)), unbiased_v = v[i] / T(1 - std::pow(b2, t));
      w[i] -= T(rate) * unbiased_m / (std::sqrt(unbiased_v) + T(eps));
    }
  }
};
