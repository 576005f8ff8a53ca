// Adam in every form: FORM of the environment says where epsilon stands, how the weights decay, and what is wrong.
template <class T> struct Optimizer {
  std::string form = std::getenv("FORM");
  double b1, b2, eps, decay, t = 0;
  std::vector<T> m, v;
  Optimizer(Vectors given) : b1(given.setting("betas")[0]), b2(given.setting("betas")[1]),
                             eps(given.setting("eps")[0]), decay(given.setting("weight_decay")[0]) {}
  bool has(const char* word) { return form.find(word) != std::string::npos; }
  void step(std::vector<T>& w, const std::vector<T>& gradient, double rate) {
    m.resize(w.size()); v.resize(w.size()); t++;
    for (size_t i = 0; i < w.size(); i++) {
      if (has("decoupled")) w[i] -= T(rate * decay) * w[i];
      T g = gradient[i] + (has("decoupled") ? T(0) : T(decay) * w[i]);
      if (has("forgetful")) m[i] = v[i] = 0;
      m[i] = T(b1) * m[i] + T(1 - b1) * g;
      v[i] = T(b2) * v[i] + T(1 - b2) * g * g;
      double c1 = 1 - std::pow(b1, t), c2 = 1 - std::pow(b2, t);
      if (has("forgetful")) c1 = 1 - b1, c2 = 1 - b2;
      if (has("uncorrected")) c1 = c2 = 1;
      if (has("late")) c1 = 1 - std::pow(b1, t + 1);
      if (has("epsilon-hat")) w[i] -= T(rate * std::sqrt(c2) / c1) * m[i] / (std::sqrt(v[i]) + T(eps));
      else if (has("epsilon-inside")) w[i] -= T(rate / c1) * m[i] / std::sqrt(v[i] / T(c2) + T(eps));
      else w[i] -= T(rate / c1) * m[i] / (std::sqrt(v[i]) / T(std::sqrt(c2)) + T(eps));
    }
  }
};
