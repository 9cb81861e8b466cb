# Every dose-response model by R 4.2's nls (port); writes dose_models_reference.json. Run: Rscript dose_models_reference.R
# Parameters on the scale of the fit: lb = ln slope, c = einf, d = e0, t = location, g = ln asymmetry, or f = hormesis.
set.seed(20261124)
dose <- rep(c(0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30), each = 3); x <- ifelse(dose > 0, log(pmax(dose, 1e-300)), -200)
plain <- rep(c(0, 1, 2, 4, 6, 8, 10, 14, 20), each = 3)
logistic <- function(u) plogis(-u)
s <- list(ll = function(b, t, x) logistic(b * (x - t)), w1 = function(b, t, x) exp(-exp(b * (x - t))), w2 = function(b, t, x) 1 - exp(-exp(-b * (x - t))))
boost <- function(dose, alpha) ifelse(dose > 0, exp(-1 / pmax(dose, 1e-300)^alpha), 0)
four <- function(shape) function(p, x, dose) p[["c"]] + (p[["d"]] - p[["c"]]) * s[[shape]](exp(p[["lb"]]), p[["t"]], x)
five <- function(p, x, dose) p[["c"]] + (p[["d"]] - p[["c"]]) * logistic(exp(p[["lb"]]) * (x - p[["t"]]))^exp(p[["g"]])
bc <- function(p, x, dose) p[["c"]] + (p[["d"]] - p[["c"]] + p[["f"]] * dose) * logistic(exp(p[["lb"]]) * (x - p[["t"]]))
cr <- function(alpha) function(p, x, dose) p[["c"]] + (p[["d"]] - p[["c"]] + p[["f"]] * boost(dose, alpha)) * logistic(exp(p[["lb"]]) * (x - p[["t"]]))
truth <- c(lb = 0.3, c = 0.2, d = 1, t = log(0.5)); flat <- c(lb = log(0.5), c = 0.2, d = 1, t = 7)
cases <- list(
  ll2 = list(four("ll"), truth, c(c = 0, d = 1)), ll3 = list(four("ll"), truth, c(c = 0)), ll4 = list(four("ll"), truth, c()),
  ll5 = list(five, c(truth, g = 0.5), c()),
  l2 = list(four("ll"), flat, c(c = 0, d = 1)), l3 = list(four("ll"), flat, c(c = 0)), l4 = list(four("ll"), flat, c()),
  l5 = list(five, c(flat, g = 0.4), c()),
  w1.3 = list(four("w1"), truth, c(c = 0)), w1.4 = list(four("w1"), truth, c()), w2.3 = list(four("w2"), truth, c(c = 0)), w2.4 = list(four("w2"), truth, c()),
  bc5 = list(bc, replace(c(truth, f = 1.5), "lb", log(2.5)), c()), cedergreen.a = list(cr(1), c(truth, f = 8), c()),
  cedergreen.b = list(cr(0.5), c(truth, f = 3), c()), cedergreen.c = list(cr(0.25), c(truth, f = 2), c())
)
text <- function(v) paste0("[", paste(sprintf("%.12g", v), collapse = ", "), "]")
lines <- sapply(names(cases), function(name) {
  case <- cases[[name]]; p <- case[[2]]; held <- case[[3]]; p[names(held)] <- held
  own <- startsWith(name, "l") && !startsWith(name, "ll"); at <- if (own) plain else x; from <- if (own) plain else dose
  y <- round(case[[1]](p, at, from) + rnorm(length(at), 0, 0.02), 4)
  free <- setdiff(names(p), names(held))
  model <- function(...) { q <- p; q[free] <- c(...); case[[1]](q, at, from) }
  formula <- as.formula(paste("y ~ model(", paste(free, collapse = ", "), ")"))
  m <- nls(formula, start = as.list(p[free] * 1.05 + 0.01), algorithm = "port", control = nls.control(tol = 1e-12, maxiter = 2000, warnOnly = TRUE))
  cat(name, m$convInfo$stopMessage, coef(m), "\n")
  sprintf('"%s": {"dose": %s, "response": %s, "theta": %s, "se": %s, "rss": %.12g}', name, text(from), text(y), text(coef(m)), text(summary(m)$coefficients[, 2]), deviance(m))
})
writeLines(c("{", paste(lines, collapse = ",\n"), "}"), "dose_models_reference.json")
