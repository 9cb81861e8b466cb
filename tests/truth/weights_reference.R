# What R says of propensity scores, weights and weighted Cox models, as flat JSON: {"name": [numbers]}.
#
#   Rscript weights_reference.R TRIAL.csv OUT.json
#
# TRIAL.csv is estimates_trial.csv; the group is x2 (0/1), and "stratum" for more than two.
suppressMessages({library(survival); library(nnet)})
args <- commandArgs(TRUE)
d <- read.csv(args[1])
result <- list()
put <- function(name, x) { x <- as.numeric(x); x[!is.finite(x)] <- NA; result[[name]] <<- x }
a <- as.numeric(d$x2 > 0)
m <- glm(a ~ x1 + x3, family = binomial, data = d, control = glm.control(epsilon = 1e-14, maxit = 100))
e <- fitted(m)
put("logistic/coef", coef(m)); put("logistic/score", e)
share <- mean(a)
w <- list(
  iptw = ifelse(a == 1, share / e, (1 - share) / (1 - e)),
  overlap = ifelse(a == 1, 1 - e, e),
  matching = pmin(e, 1 - e) / ifelse(a == 1, e, 1 - e),
  att = ifelse(a == 1, 1, e / (1 - e)))
CONTROL <- coxph.control(eps = 1e-14, toler.chol = 1e-13, iter.max = 100)
one <- function(name, weights, entry = FALSE) {
  # coefficients and robust errors do not change when weights are multiplied within a group only if they are the same:
  # every weight but iptw is brought to mean 1 in each group, as ours are.
  Y <- if (entry) with(d, Surv(entry, time, event)) else with(d, Surv(time, event))
  d$w <- weights; d$a <- a; d$id <- seq_len(nrow(d))
  f <- suppressWarnings(coxph(Y ~ a, data = d, weights = w, robust = TRUE, cluster = id, control = CONTROL))
  put(paste0(name, "/coef"), coef(f)); put(paste0(name, "/robust"), sqrt(diag(vcov(f))))
  g <- suppressWarnings(coxph(Y ~ a, data = d, weights = w, cluster = cluster, control = CONTROL))
  put(paste0(name, "/by cluster"), sqrt(diag(vcov(g))))
}
for (name in names(w)) {
  v <- w[[name]]
  if (name != "iptw") v <- v / ave(v, a)
  put(paste0(name, "/weights"), v)
  one(name, v); one(paste(name, "entry"), v, TRUE)
}
d$w <- w$iptw
f <- survfit(Surv(time, event) ~ a, data = d, weights = w, robust = TRUE)
put("weighted km/survival", f$surv); put("weighted km/se", if (f$logse) f$std.err * f$surv else f$std.err)
k <- multinom(stratum ~ x1 + x3, data = d, trace = FALSE, maxit = 2000, reltol = 1e-15, abstol = 1e-15)
put("multinomial/score", t(fitted(k)))
text <- sapply(names(result), function(n) sprintf('"%s": [%s]', n, paste(ifelse(is.na(result[[n]]), "null", sprintf("%.12g", result[[n]])), collapse = ", ")))
writeLines(c("{", paste(text, collapse = ",\n"), "}"), args[2])
